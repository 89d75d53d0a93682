"""The status bar on every page of the app, and small questions that billing templates ask."""

from typing import Any

from django import template
from django.http import HttpRequest
from django.template.context import Context
from django.utils import timezone

from billing.forms import new_request_id
from billing.status import status_bar_of
from wallet.decline_words import decline_words
from wallet.models import Card
from workspaces.models import Membership, User
from workspaces.queries import latest_membership

register = template.Library()


@register.inclusion_tag("billing/_status_bar.html", takes_context=True)
def status_bar(context: Context, *, oob: bool = False) -> dict[str, Any]:
    """What stands in the way of the workspace's calls and tasks; an empty place for it where all is well."""
    request = context["request"]
    membership = _membership(request)
    return {
        "bar": status_bar_of(membership) if membership else None,
        "membership": membership,
        "csrf_token": context.get("csrf_token"),
        "oob": oob,
    }


def _membership(request: HttpRequest) -> Membership | None:
    """The page's own; outside a workspace, that of the workspace opened last, as in the sidebar."""
    membership: Membership | None = getattr(request, "membership", None)
    if membership is None and isinstance(request.user, User):
        return latest_membership(request.user)
    return membership


@register.simple_tag
def request_id() -> str:
    """A fresh id for a form."""
    return new_request_id()


@register.filter
def expired(card: Card) -> bool:
    """Whether the card's last month is over."""
    today = timezone.localdate()
    return (card.expiry_year, card.expiry_month) < (today.year, today.month)


@register.filter
def expires_soon(card: Card) -> bool:
    """Whether the card's last month is this one or the next."""
    today = timezone.localdate()
    months_left = (card.expiry_year - today.year) * 12 + card.expiry_month - today.month
    return 0 <= months_left <= 1


@register.filter
def decline_what(code: str) -> str:
    """What a decline code means, in a sentence."""
    return decline_words(code).what
