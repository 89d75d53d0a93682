"""How templates write amounts and times. No template formats either by itself; no amount is changed here, only written."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django import template
from django.template.context import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from wallet.money import exact_decimals, format_exact, format_money

register = template.Library()

MOMENT_FORMATS = {
    "full": "%b %-d, %Y, %H:%M",
    "exact": "%b %-d, %Y, %H:%M:%S %Z",
    "date": "%b %-d, %Y",
    "time": "%H:%M",
    "month": "%B %Y",
}
"""What `{% moment %}` can write; each in the workspace's zone."""
SAYS_ITS_ZONE = ("full", "time")
"""Of these, where it is not the workspace's."""


@register.simple_tag
def money(amount_micros: int, currency: str, *, exact: bool = False, signed: bool = False) -> str:
    """`$12.34`; `exact` shows every micro, as the history does; `signed` puts + before what came in."""
    write = format_exact if exact else format_money
    return write(amount_micros, currency=currency, signed=signed)


@register.simple_tag
def money_column(amount_micros: int, currency: str, decimals: int, *, signed: bool = False) -> SafeString:
    """An exact amount in a column of amounts with up to so many decimals.

    Those that it does not have keep their place, unseen, so that the points stand in line.
    """
    written = format_exact(amount_micros, currency=currency, signed=signed)
    own = exact_decimals(amount_micros, currency=currency)
    if own >= decimals:
        return format_html("{}", written)
    return format_html('{}<span class="pad" aria-hidden="true">{}{}</span>', written, "" if own else ".", "0" * (decimals - own))


@register.simple_tag
def money_figure(amount_micros: int, currency: str) -> SafeString:
    """The large figure: whole units at full size, the rest small."""
    whole, point, rest = format_money(amount_micros, currency=currency).partition(".")
    return format_html("{}<small>{}{}</small>", whole, point, rest) if point else format_html("{}", whole)


@register.simple_tag(takes_context=True)
def moment(context: Context, when: datetime, style: str = "full", *, zone: ZoneInfo | None = None) -> SafeString:
    """`<time>` in the workspace's zone, whatever zone the server is in; `zone` where the page has no workspace of its own.

    Where nothing names one, as in the operator's console, it is UTC, and says so.
    """
    workspace = getattr(context.get("request"), "workspace", None)
    known = zone or (workspace.zone if workspace else None)
    here = timezone.localtime(when, known or UTC)
    words = here.strftime(MOMENT_FORMATS[style] + (" %Z" if known is None and style in SAYS_ITS_ZONE else ""))
    return format_html('<time datetime="{}">{}</time>', here.isoformat(timespec="seconds"), words)
