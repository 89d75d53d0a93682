"""How the console's templates write amounts, times and names: exact, in UTC as the books are kept, and as people call them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from billing.kind_words import kind_name
from console.navigation import table_of
from wallet.models import DaySeal
from wallet.money import format_exact, format_money

register = template.Library()


@register.simple_tag
def exact(amount_micros: int | None, currency: str) -> str:
    """To the last micro; a dash where there is none."""
    return "–" if amount_micros is None or not currency else format_exact(amount_micros, currency=currency)


@register.simple_tag
def amount(amount_micros: int | None, currency: str) -> str:
    """As exact as it needs to be: for a figure that stands alone. In columns `exact` keeps the digits below each other."""
    if amount_micros is None or not currency:
        return "–"
    written, exactly = format_money(amount_micros, currency=currency), format_exact(amount_micros, currency=currency)
    return written if exactly.rstrip("0") == written.rstrip("0") else exactly


@register.filter
def counted(number: int) -> str:
    """A number of things, in groups of three digits."""
    return f"{number:,}"


@register.simple_tag
def table_name(options: Any) -> str:
    """What people call the table of a model."""
    table = table_of(options.label_lower)
    return table.many if table else str(options.verbose_name_plural).capitalize()


@register.simple_tag
def row_name(options: Any) -> str:
    """What people call one row of it."""
    table = table_of(options.label_lower)
    return table.one if table else str(options.verbose_name).capitalize()


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
    words = "just now" if timezone.now() - moment < timedelta(minutes=1) else f"{timesince(moment, depth=1)} ago"
    return format_html(
        '<time datetime="{0}" title="{1}">{2}</time>', here.isoformat(timespec="seconds"), here.strftime("%b %-d, %H:%M:%S UTC"), words
    )


register.filter("kind_name", kind_name)


@register.filter
def head(seal: DaySeal) -> str:
    """A day's seal, as text to keep."""
    return bytes(seal.chain_sha256).hex()
