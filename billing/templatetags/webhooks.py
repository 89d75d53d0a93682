"""How the templates of the webhook pages link to each other, wherever they stand (billing.webhook_pages.Desk)."""

from django import template
from django.template.context import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag(takes_context=True)
def webhook_page(context: Context, name: str, *ids: int) -> str:
    """The address of one of the pages."""
    return str(context["desk"].address(name, *ids))


@register.simple_tag(takes_context=True)
def opens(context: Context, name: str, *ids: int) -> SafeString:
    """The attributes of a link to what opens as a dialog, where the frame has one, and as a page elsewhere."""
    return _in_dialog(context, "href", "hx-get", context["desk"].address(name, *ids))


@register.simple_tag(takes_context=True)
def posts(context: Context, name: str, *ids: int) -> SafeString:
    """Those of a form whose answer opens so."""
    return _in_dialog(context, "action", "hx-post", context["desk"].address(name, *ids))


def _in_dialog(context: Context, plain: str, live: str, address: str) -> SafeString:
    if not context["desk"].has_dialog:
        return format_html('{}="{}"', plain, address)
    return format_html('{0}="{2}" {1}="{2}" hx-target="#dialog-body"', plain, live, address)
