"""What was asked for: all that waits, all of one wallet, and the page of each with the buttons that decide it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from wallet.admin_acts.forms import DecisionForm
from wallet.admin_acts.kinds import ACTS, Act
from wallet.admin_acts.pages import actor, amount_words, said_in, show, wallet_of
from wallet.models import Proposal, RefundRequest
from wallet.queries import open_payment_links
from wallet.services.freezing import open_freeze
from wallet.services.refund_sending import give_up_refund
from workspaces.models import User

LISTED_MAX = 100


@dataclass(frozen=True)
class Row:
    """One proposal in a list."""

    proposal: Proposal
    kind: str
    workspace: str
    amount: str
    status: str
    tone: str
    address: str


def proposals(request: HttpRequest) -> HttpResponse:
    """Everything that waits for a second person, oldest first."""
    waiting = _rows({"status": "waiting"}, newest_first=False)
    return show(request, "proposals", {"rows": waiting, "me": actor(request)}, title="Approvals")


def acts(request: HttpRequest, public_id: str) -> HttpResponse:
    """What can be done with one wallet, and what was."""
    wallet = wallet_of(public_id)
    page = {
        "rows": _rows({"wallet": wallet}, newest_first=True),
        "freeze": open_freeze(wallet),
        "links": [
            (link, amount_words(wallet, link.amount_micros) if link.amount_micros else "a card") for link in open_payment_links(wallet)
        ],
    }
    return show(request, "acts", page, title="Acts", wallet=wallet)


def proposal(request: HttpRequest, public_id: str, pk: UUID, *, kind: str) -> HttpResponse:
    """One of them, and how it is decided."""
    wallet, act = wallet_of(public_id), ACTS[kind]
    found = get_object_or_404(_full(act), pk=pk, wallet=wallet)
    form = DecisionForm(request.POST or None)
    if form.is_valid():
        with said_in(form):
            _decide(act, pk, decision=form.cleaned_data["decision"], by=actor(request), reason=form.cleaned_data["reason"])
            messages.success(request, _SAID[form.cleaned_data["decision"]])
            return redirect(request.path)
    page = {
        "proposal": found,
        "form": form,
        "amount": amount_words(wallet, found.amount_micros, signed=kind == "adjustment"),
        "status": status_words(found),
        "tone": _TONES.get(found.status, ""),
        "facts": act.facts(found),
        "may_decide": found.is_waiting and found.requested_by_id != actor(request).pk,
        "may_withdraw": found.is_waiting and found.requested_by_id == actor(request).pk,
        "may_give_up": isinstance(found, RefundRequest) and found.status == RefundRequest.Status.MANUAL_REVIEW,
    }
    return show(request, "proposal", page, title=act.title, wallet=wallet, status=422 if form.is_bound else 200)


_TONES = {"waiting": "warn", "unknown": "warn", "manual_review": "danger", "failed": "danger", "done": "ok"}
_SAID = {"approve": "Approved.", "reject": "Rejected.", "withdraw": "Withdrawn.", "give_up": "Looked once more at Stripe."}


def _decide(act: Act, pk: UUID, *, decision: str, by: User, reason: str) -> None:
    if decision == "give_up":
        give_up_refund(get_object_or_404(RefundRequest, pk=pk).pk, by=by)
        return
    decide = {"approve": act.approve, "reject": act.reject, "withdraw": act.withdraw}[decision]
    decide(pk, by, reason)


def status_words(proposal: Proposal) -> str:
    """The status as people say it."""
    states: Any = type(proposal).Status
    return str(states(proposal.status).label)


def _rows(wanted: dict[str, object], *, newest_first: bool) -> list[Row]:
    found = [row for kind, act in ACTS.items() for row in _rows_of(kind, act, wanted, newest_first=newest_first)]
    return sorted(found, key=lambda row: row.proposal.requested_at, reverse=newest_first)[:LISTED_MAX]


def _rows_of(kind: str, act: Act, wanted: dict[str, object], *, newest_first: bool) -> Iterable[Row]:
    order = "-requested_at" if newest_first else "requested_at"
    for one in _full(act).filter(**wanted).order_by(order)[:LISTED_MAX]:
        workspace = one.wallet.workspace
        amount = amount_words(one.wallet, one.amount_micros, signed=kind == "adjustment")
        address = reverse(act.url_name, args=[workspace.public_id, one.pk])
        yield Row(one, act.title, workspace.name, amount, status_words(one), _TONES.get(one.status, ""), address)


def _full(act: Act) -> Any:
    return act.model._default_manager.select_related("wallet__workspace", "requested_by", "decided_by")
