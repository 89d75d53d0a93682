"""One wallet as staff see it: figures, cards, the rule, the customer's own status bar, and everything that happened."""

from django.db.models import Case, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone

from billing.automatic_state import automatic_of
from billing.status import status_bar_for
from console.holds import ended_holds
from console.navigation import address_of
from console.rendering import console_page
from console.timeline import GROUPS, cost_words, timeline_page
from usage.event_queries import provider_costs_of_rows
from wallet.models import Hold, Transfer, Wallet
from wallet.queries import kept_cards
from wallet.standing import standing_of
from workspaces.models import Membership, Role
from workspaces.responses import is_htmx

HOLDS_SHOWN = 100
MEMBERS_SHOWN = 20
TRANSFERS_SHOWN = 100
SEQ_DIGITS_MAX = 18
OWNERS_FIRST = Case(*(When(role=role, then=rank) for rank, role in enumerate(Role)))
_ACTS = (
    ("Adjust", "console:adjust"),
    ("Grant promotion", "console:grant"),
    ("Refund", "console:refunds"),
    ("All acts", "console:acts"),
)
"""Finance's, wherever the wallet brings them; freezing and closing are a step further away."""


def show_wallet(request: HttpRequest, wallet_id: int) -> HttpResponse:
    """The page; `kind` filters the timeline, `before` goes on."""
    wallet = _found(wallet_id)
    kinds = [kind for kind in request.GET.getlist("kind") if kind in GROUPS]
    timeline = timeline_page(wallet, groups=kinds, before=request.GET.get("before", ""))
    if is_htmx(request) and request.GET.get("before"):
        return console_page(request, "_timeline_entries.html", {"wallet": wallet, "timeline": timeline, "kinds": kinds}, title="")
    cards = list(kept_cards(wallet))
    return console_page(
        request,
        "wallet.html",
        {
            "wallet": wallet,
            "workspace": wallet.workspace,
            "standing": standing_of(wallet, now=timezone.now()),
            "bar": status_bar_for(wallet, zone=wallet.workspace.zone),
            "cards": cards,
            "automatic": automatic_of(wallet, cards=cards),
            "members": Membership.objects.filter(workspace=wallet.workspace)
            .select_related("user")
            .order_by(OWNERS_FIRST, "pk")[:MEMBERS_SHOWN],
            "acts": [(label, address) for label, name in _ACTS if (address := address_of(name, wallet.workspace.public_id))],
            "timeline": timeline,
            "groups": GROUPS,
            "kinds": kinds,
        },
        title=wallet.workspace.name,
    )


def show_holds(request: HttpRequest) -> HttpResponse:
    """What is set aside now, the soonest to end first."""
    return _holds_page(request, None)


def show_wallet_holds(request: HttpRequest, wallet_id: int) -> HttpResponse:
    """What of one wallet is set aside now, and below it what was: `before` goes on with the holds that ended."""
    return _holds_page(request, _found(wallet_id))


def _holds_page(request: HttpRequest, wallet: Wallet | None) -> HttpResponse:
    holds = Hold.objects.filter(status=Hold.Status.OPEN).select_related("wallet__workspace").order_by("expires_at")
    holds = holds.filter(wallet=wallet) if wallet else holds
    before = request.GET.get("before", "")
    context = {
        "holds": holds[:HOLDS_SHOWN],
        "shown": HOLDS_SHOWN,
        "wallet": wallet,
        "ended": ended_holds(wallet, before=before) if wallet else None,
        "is_first": not before,
    }
    return console_page(request, "holds.html", context, title=f"Holds of {wallet.workspace.name}" if wallet else "Open holds")


def show_transfers(request: HttpRequest, wallet_id: int) -> HttpResponse:
    """The book of one wallet, newest first, as it was written; `before` goes on."""
    wallet, before = _found(wallet_id), request.GET.get("before", "")
    above = int(before) if before.isascii() and before.isdecimal() and len(before) <= SEQ_DIGITS_MAX else wallet.last_seq + 1
    found = list(Transfer.objects.filter(wallet=wallet, seq__lt=above).order_by("-seq")[: TRANSFERS_SHOWN + 1])
    shown = found[:TRANSFERS_SHOWN]
    costs = provider_costs_of_rows(wallet, [row.seq for row in shown])
    context = {
        "wallet": wallet,
        "rows": [(row, cost_words(costs[row.seq]) if row.seq in costs else "") for row in shown],
        "next_before": shown[-1].seq if len(found) > TRANSFERS_SHOWN else None,
    }
    return console_page(request, "transfers.html", context, title=f"Transfers of {wallet.workspace.name}")


def _found(wallet_id: int) -> Wallet:
    return get_object_or_404(Wallet.objects.select_related("workspace"), pk=wallet_id)
