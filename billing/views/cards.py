"""Saved cards: which is charged first, which stands in, and taking one away."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from billing.limits import AUTOMATIC_TRIES_PER_WALLET, spend
from billing.views.rendering import limited, render_panel
from wallet.errors import CardInUse, WalletRefusal
from wallet.models import OPEN_STATUSES, Card
from wallet.services.cards import remove_card, set_backup_card, set_default_card
from workspaces.access import WorkspaceRequest, billing_required
from workspaces.responses import see_other


@require_POST
@billing_required
@limited
def make_default(request: WorkspaceRequest, card_id: int) -> HttpResponseBase:
    """This card is charged first from now on; one that the bank refused is tried again, and so not as often as anyone likes."""
    card = _card(request, card_id)
    if card.refused_at is not None:
        spend(AUTOMATIC_TRIES_PER_WALLET, str(card.wallet_id))
    return _change(request, card_id, set_default_card, done="{} is charged first from now on.")


@require_POST
@billing_required
def make_backup(request: WorkspaceRequest, card_id: int) -> HttpResponse:
    """This card is charged when the default one is declined."""
    return _change(request, card_id, set_backup_card, done="{} is charged when the default card is declined.")


@require_http_methods(["GET", "HEAD", "POST"])
@billing_required
def remove(request: WorkspaceRequest, card_id: int) -> HttpResponseBase:
    """Asks first, then forgets the card; where something needs it, says what, and the way out."""
    if request.method != "POST":
        return render_panel(request, "remove_card", {"card": _card(request, card_id)})
    try:
        return _change(request, card_id, remove_card, done="{} was removed.")
    except CardInUse as refusal:
        return _show_need(request, _card(request, card_id), refusal)


def _show_need(request: WorkspaceRequest, card: Card, refusal: CardInUse) -> HttpResponse:
    is_under_way = card.top_ups.filter(status__in=OPEN_STATUSES).exists()
    return render_panel(request, "card_in_use", {"card": card, "refusal": refusal, "is_under_way": is_under_way}, status=422)


def _card(request: WorkspaceRequest, card_id: int) -> Card:
    return get_object_or_404(Card, pk=card_id, wallet__workspace=request.workspace, removed_at=None)


def _change(request: WorkspaceRequest, card_id: int, act: Callable[[Card], object], *, done: str) -> HttpResponse:
    card = _card(request, card_id)
    try:
        act(card)
    except CardInUse:
        raise
    except WalletRefusal as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, done.format(card.label))
    return see_other(request, "billing:billing", request.workspace.public_id)
