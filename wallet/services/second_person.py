"""Who must agree: what one person moves in a wallet within a day is theirs up to a limit, and what goes beyond it waits for a second.

Decided under the wallet's lock, over all kinds of acts together, so that splitting does not help. Moves nothing itself.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, Sum
from django.db.models.functions import Abs, Now
from django.utils import timezone

from wallet.errors import AlreadyResolved, AmountOutOfRange, SecondPersonNeeded
from wallet.ledger import lock_wallet
from wallet.models import Adjustment, PromotionGrant, Proposal, RefundRequest, Wallet, WalletClosing
from wallet.money import format_money, scaled_micros
from workspaces.models import User
from workspaces.services.audit import record
from workspaces.staff import StaffRole, may_act

COUNTED_FOR = timedelta(hours=24)
UNITS_MAX = 1_000_000
"""In dollars, or about as much: whoever types more has slipped."""

DECISION_FIELDS = ("status", "decided_by", "decided_at", "decision_reason")

P = TypeVar("P", bound=Proposal)
_NOTHING_MOVED = ("rejected", "withdrawn", "failed")


def alone_up_to_micros(currency: str) -> int:
    """What one person may move in one wallet within COUNTED_FOR, in micros of its currency."""
    return scaled_micros(settings.SECOND_PERSON_ABOVE, currency=currency)


def needs_second_person(wallet: Wallet, *, amount_micros: int, by: User, apart_from: UUID | None = None) -> bool:
    """Whether this, with all else that the person moved or asked for here lately, is too much for one person.

    `apart_from` is the proposal whose amount this is now, where it stands already. The caller holds the wallet's lock.
    """
    return moved_lately_micros(wallet, by=by, apart_from=apart_from) + abs(amount_micros) > alone_up_to_micros(wallet.currency)


def moved_lately_micros(wallet: Wallet, *, by: User, apart_from: UUID | None = None) -> int:
    """What the person moved or asked for in this wallet within COUNTED_FOR: in and out alike, whoever approved it."""
    # What a closing gives back counts once: with the closing, or where that was given up, by itself.
    refunds = RefundRequest.objects.filter(Q(closing=None) | Q(closing__status__in=_NOTHING_MOVED))
    sums = 0
    for rows in (Adjustment.objects.all(), PromotionGrant.objects.all(), WalletClosing.objects.all(), refunds):
        lately = rows.filter(wallet=wallet, requested_by=by, requested_at__gt=Now() - COUNTED_FOR).exclude(status__in=_NOTHING_MOVED)
        if apart_from is not None:
            lately = lately.exclude(pk=apart_from)
        sums += int(lately.aggregate(sum=Sum(Abs("amount_micros")))["sum"] or 0)
    return sums


def check_size(amount_micros: int, *, currency: str) -> None:
    """Raises AmountOutOfRange for nothing, and for more than anybody can mean."""
    most = scaled_micros(UNITS_MAX, currency=currency)
    if not 0 < abs(amount_micros) <= most:
        raise AmountOutOfRange(f"Choose an amount of more than nothing and at most {format_money(most, currency=currency)}.")


def locked_proposal(model: type[P], pk: UUID) -> tuple[Wallet, P]:
    """The wallet under its lock, and the proposal as it then stands. Inside the caller's transaction. Raises: DoesNotExist."""
    rows = model._default_manager
    wallet = lock_wallet(rows.values_list("wallet_id", flat=True).get(pk=pk))
    return wallet, rows.get(pk=pk)


def agreed(proposal: Proposal, *, status: str, by: User, reason: str) -> bool:
    """Whether this person's yes counts: then it is noted on the row, and the caller saves it with what it does, under the wallet's lock.

    False where the same person has agreed already: there is nothing left to do.
    Raises: SecondPersonNeeded for who asked, and where that person may not act any more; AlreadyResolved where it was decided otherwise.
    """
    if not proposal.is_waiting:
        if proposal.decided_by_id == by.pk and proposal.status not in ("rejected", "withdrawn"):
            return False
        raise _too_late(proposal)
    if proposal.requested_by_id == by.pk:
        raise SecondPersonNeeded("You asked for this yourself: somebody else of finance decides.")
    if not may_act(proposal.requested_by, roles=[StaffRole.FINANCE]):
        raise SecondPersonNeeded("Who asked for this is of finance no more, so two would not have agreed: reject it, and ask for it anew.")
    _note(proposal, status=status, by=by, reason=reason)
    return True


def _nothing_more(wallet: Wallet, proposal: Proposal) -> None:
    """What most proposals that were turned down leave to do."""


@transaction.atomic
def reject(model: type[P], pk: UUID, *, by: User, reason: str, then: Callable[[Wallet, P], None] = _nothing_more) -> P:
    """A second person says no; `then` undoes what was done for it, once, in the same transaction.

    Locks: wallet. Idempotent: the same person's no stands.

    Raises: SecondPersonNeeded for who asked; AlreadyResolved where it was decided otherwise.
    """
    wallet, proposal = locked_proposal(model, pk)
    if proposal.requested_by_id == by.pk:
        raise SecondPersonNeeded("You asked for this yourself: withdraw it instead.")
    if _turn_down(wallet, proposal, status="rejected", by=by, reason=reason):
        then(wallet, proposal)
    return proposal


@transaction.atomic
def withdraw(model: type[P], pk: UUID, *, by: User, reason: str = "", then: Callable[[Wallet, P], None] = _nothing_more) -> P:
    """Who asked does not want it any more; `then` as above. Locks: wallet. Raises: SecondPersonNeeded for others; AlreadyResolved."""
    wallet, proposal = locked_proposal(model, pk)
    if proposal.requested_by_id != by.pk:
        raise SecondPersonNeeded("Only who asked for this can withdraw it: reject it instead.")
    if _turn_down(wallet, proposal, status="withdrawn", by=by, reason=reason):
        then(wallet, proposal)
    return proposal


def _turn_down(wallet: Wallet, proposal: Proposal, *, status: str, by: User, reason: str) -> bool:
    """False where this person has said so before."""
    if proposal.status == status and proposal.decided_by_id == by.pk:
        return False
    if not proposal.is_waiting:
        raise _too_late(proposal)
    _note(proposal, status=status, by=by, reason=reason)
    proposal.save(update_fields=DECISION_FIELDS)
    audit(wallet, proposal, done=status, before={"status": "waiting"}, after={"status": status}, reason=reason)
    return True


def _note(proposal: Proposal, *, status: str, by: User, reason: str) -> None:
    proposal.status, proposal.decided_by, proposal.decided_at, proposal.decision_reason = status, by, timezone.now(), reason


def _too_late(proposal: Proposal) -> AlreadyResolved:
    return AlreadyResolved(f"This was decided already: it is {proposal.status}.")


def audit(
    wallet: Wallet,
    proposal: Proposal,
    *,
    done: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
    target: str = "",
    reason: str = "",
) -> None:
    """One row of the audit log about the proposal, as `adjustment.approved`; its id and amount are added to `after`."""
    record(
        f"{proposal.act}.{done}",
        workspace=wallet.pk,
        target=target,
        before=before,
        after={"id": str(proposal.pk), "amount_micros": proposal.amount_micros, **after},
        reason=reason or proposal.reason,
        as_staff=True,
    )


def sums_of(wallet: Wallet) -> dict[str, object]:
    """What an act may change of a wallet, for the audit log."""
    return {"balance_micros": wallet.balance_micros, "held_micros": wallet.held_micros, "promotion_micros": wallet.promotion_micros}
