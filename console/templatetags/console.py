"""How the console's templates write amounts and times: exact, and in UTC, as the books are kept."""

from datetime import UTC, datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from wallet.models import DaySeal
from wallet.money import format_exact

register = template.Library()


@register.simple_tag
def exact(amount_micros: int | None, currency: str) -> str:
    """To the last micro; a dash where there is none."""
    return "–" if amount_micros is None or not currency else format_exact(amount_micros, currency=currency)


@register.simple_tag
def utc(moment: datetime | None) -> SafeString:
    """`<time>`, to the second."""
    if moment is None:
        return SafeString("–")
    here = moment.astimezone(UTC)
    return format_html('<time datetime="{}">{}</time>', here.isoformat(timespec="seconds"), here.strftime("%b %-d, %Y, %H:%M:%S UTC"))


@register.simple_tag
def ago(moment: datetime | None) -> SafeString:
    """How long ago, with the moment itself behind it."""
    if moment is None:
        return SafeString("never")
    here = moment.astimezone(UTC)
    words = timesince(moment, depth=1)
    return format_html(
        '<time datetime="{0}" title="{1}">{2} ago</time>', here.isoformat(timespec="seconds"), here.strftime("%b %-d, %H:%M:%S UTC"), words
    )


@register.filter
def head(seal: DaySeal) -> str:
    """A day's seal, as text to keep."""
    return bytes(seal.chain_sha256).hex()
