"""The frame's template tags: icons, sidebar, settings tabs. No money, no rights beyond showing links."""

from typing import Any

from allauth.mfa.adapter import get_adapter
from django import template
from django.conf import settings
from django.http import HttpRequest
from django.template.context import Context
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from workspaces import navigation, queries
from workspaces.models import Membership, User, Workspace

register = template.Library()


@register.simple_tag
def icon(name: str, extra_class: str = "") -> SafeString:
    """An icon of static/icons.svg by its name; it is decoration, so the text beside it must say it all."""
    classes = f"icon {extra_class}".rstrip()
    return format_html(
        '<svg class="{}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>', classes, static("icons.svg"), name
    )


@register.simple_tag
def operator_name() -> str:
    """The seller's name, as the operator set it."""
    return str(settings.OPERATOR_NAME)


@register.simple_tag
def support_email() -> SafeString:
    """Where customers write to, as a link."""
    return format_html('<a class="link" href="mailto:{0}">{0}</a>', settings.SUPPORT_EMAIL)


@register.filter
def initials(who: User | Workspace) -> str:
    """One or two letters for a round or square mark."""
    name = who.name or (who.email.partition("@")[0] if isinstance(who, User) else "?")
    words = [word for word in name.replace(".", " ").replace("-", " ").replace("_", " ").split() if word[0].isalnum()]
    if not words:
        return name[:1].upper()
    return (words[0][0] + words[-1][0] if len(words) > 1 else words[0][:2]).upper()


@register.inclusion_tag("_sidebar.html", takes_context=True)
def sidebar(context: Context) -> dict[str, Any]:
    """Workspace switcher, main links and user menu; on a phone the same as a drawer."""
    request: HttpRequest = context["request"]
    membership = _membership(request)
    return {
        "membership": membership,
        "memberships": queries.memberships_of(_user(request)),
        "items": navigation.items_for(membership, links=navigation.SIDEBAR, path=request.path) if membership else [],
        "offer_second_factor": bool(membership and membership.may_bill and not get_adapter().is_mfa_enabled(request.user)),
        "on_account_page": request.path.startswith("/accounts/"),
        "user": request.user,
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("_tabs.html", takes_context=True)
def settings_tabs(context: Context) -> dict[str, Any]:
    """The tabs of Settings that this member may open."""
    request: HttpRequest = context["request"]
    membership = _membership(request)
    items = navigation.items_for(membership, links=navigation.SETTINGS, path=request.path) if membership else []
    return {"items": items, "label": "Settings"}


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "the frame is for people who are signed in"
    return request.user


def _membership(request: HttpRequest) -> Membership | None:
    """The page's own membership; on pages outside a workspace, the one opened last."""
    membership: Membership | None = getattr(request, "membership", None)
    return membership or queries.latest_membership(_user(request))
