"""The end of a wallet, step by step: closed, what is under way awaited, promotions lapsed, unspent money sent back. The row is the job.

waiting → ending → refunding → done, and back to waiting where more goes back than was to be seen at first.
Each step is one transaction that may be repeated: whoever is killed is followed by the sweep.
"""

from collections.abc import Collection
from datetime import timedelta
from itertools import islice
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Min, Sum
from django.utils import timezone

from wallet.errors import ActRefused
from wallet.ledger import lock_wallet
from wallet.models import OPEN_REFUND_STATUSES, OPEN_STATUSES, Hold, RefundRequest, TopUp, Wallet, WalletClosing
from wallet.services.automatic_payments import switch_off
from wallet.services.promotions import lapse_promotions
from wallet.services.refund_requests import make_refund_request, open_disputes
from wallet.services.second_person import DECISION_FIELDS, agreed, audit, locked_proposal, needs_second_person, sums_of
from wallet.services.wallets import close_wallet
from wallet.unspent_queries import unspent_top_ups
from workspaces.acting import SYSTEM, acting_as
from workspaces.models import User
from workspaces.wake import wake

LOOK_AGAIN_AFTER = timedelta(seconds=30)
REFUNDED_AT_ONCE = 50
"""Refunds that one step asks for; where there are more, the next step goes on."""

Status = WalletClosing.Status
_OPEN = (Status.WAITING, Status.ENDING, Status.REFUNDING)
_STEP_FIELDS = ("status", "waits_for", "next_check_at", "resolved_at", "left_micros")


@transaction.atomic
def request_closing(wallet: Wallet, *, reason: str, request_id: str, by: User) -> WalletClosing:
    """End the wallet, at once or once a second person has approved it; the caller has it continued.

    What it may give back counts toward what one person may move. Locks: wallet. Idempotent by: `request_id`, in its wallet.
    Raises: ActRefused while another closing is under way.
    """
    locked = lock_wallet(wallet.pk)
    standing = WalletClosing.objects.filter(wallet=locked, request_id=request_id).first()
    if standing is not None:
        return standing
    if WalletClosing.objects.filter(wallet=locked, status__in=_OPEN).exists():
        raise ActRefused("This wallet is being closed already.")
    amount_micros = sum(unspent_top_ups(locked).values())
    needs_second = needs_second_person(locked, amount_micros=amount_micros, by=by)
    closing = WalletClosing.objects.create(
        wallet=locked,
        amount_micros=amount_micros,
        status=Status.WAITING if needs_second else Status.ENDING,
        reason=reason,
        request_id=request_id,
        needs_second_person=needs_second,
        requested_by=by,
        next_check_at=None if needs_second else timezone.now(),
    )
    audit(locked, closing, done="requested", before=_standing_of(locked), after=_standing_of(locked) | {"status": closing.status})
    return closing


@transaction.atomic
def approve_closing(closing_id: UUID, *, by: User, reason: str = "") -> WalletClosing:
    """Agree to what somebody else asked for; the caller has it continued. Locks: wallet. Raises: SecondPersonNeeded, AlreadyResolved."""
    wallet, closing = locked_proposal(WalletClosing, closing_id)
    if agreed(closing, status=Status.ENDING, by=by, reason=reason):
        closing.next_check_at = timezone.now()
        closing.save(update_fields=[*DECISION_FIELDS, "next_check_at"])
        audit(wallet, closing, done="approved", before={"status": Status.WAITING}, after=_standing_of(wallet) | {"status": closing.status})
    return closing


def continue_closing(closing_id: UUID | str) -> WalletClosing:
    """Do whatever of it can be done now. Safe from anywhere, any number of times. Not inside a transaction; asks Stripe nothing."""
    closing = _read(closing_id)
    if closing.status not in (Status.ENDING, Status.REFUNDING):
        return closing
    if closing.wallet.closed_at is None:
        close_wallet(closing.wallet)
    switch_off(closing.wallet)
    with acting_as(SYSTEM):
        _take_step(closing)
    return _read(closing_id)


@transaction.atomic
def _take_step(closing: WalletClosing) -> None:
    """Wait, ask for refunds, or be done. Locks: top-ups, in the order of their ids → wallet."""
    candidates = _refundable(closing.wallet, closing)
    # New rows name these top-ups: who holds one locked, and waits for the wallet, must not be waited for with the wallet in hand.
    list(TopUp.objects.select_for_update().filter(pk__in=candidates).order_by("pk").values_list("pk", flat=True))
    wallet, closing = locked_proposal(WalletClosing, closing.pk)
    if closing.status not in (Status.ENDING, Status.REFUNDING):
        return
    closing.waits_for = _what_is_under_way(wallet)
    if not closing.waits_for and not _waits_for_second_person(wallet, closing):
        _go_on(wallet, closing, locked=candidates)
    closing.next_check_at = timezone.now() + LOOK_AGAIN_AFTER if closing.status in (Status.ENDING, Status.REFUNDING) else None
    closing.save(update_fields=[*_STEP_FIELDS, "amount_micros", "needs_second_person"])


def _what_is_under_way(wallet: Wallet) -> str:
    """What may still change how much is left; nothing is shared out before it has ended."""
    if Hold.objects.filter(wallet=wallet, status=Hold.Status.OPEN, purpose=Hold.Purpose.USE).exists():
        return "a call or task that is still running"
    if TopUp.objects.filter(wallet=wallet, status__in=OPEN_STATUSES).exists():
        return "a payment that is under way"
    refunds = RefundRequest.objects.filter(wallet=wallet, status__in=OPEN_REFUND_STATUSES)
    if refunds.filter(status__in=(RefundRequest.Status.WAITING, RefundRequest.Status.MANUAL_REVIEW)).exists():
        return "a refund that somebody of finance must look at"
    return "refunds that are under way" if refunds.exists() else ""


def _waits_for_second_person(wallet: Wallet, closing: WalletClosing) -> bool:
    """Whether more goes back than could be seen when one person asked for it, and more than is theirs alone: then a second one is asked.

    A payment, a call or another refund may have been under way then, and no one may wait for that on purpose.
    """
    asked = closing.refund_requests.exclude(status=RefundRequest.Status.FAILED).aggregate(sum=Sum("amount_micros"))["sum"] or 0
    goes_back_micros = int(asked) + sum(unspent_top_ups(wallet).values())
    if closing.needs_second_person or goes_back_micros <= closing.amount_micros:
        return False
    before, closing.amount_micros = closing.amount_micros, goes_back_micros
    if not needs_second_person(wallet, amount_micros=goes_back_micros, by=closing.requested_by, apart_from=closing.pk):
        return False
    closing.needs_second_person, closing.status = True, Status.WAITING
    closing.waits_for = "a second person of finance: more goes back than could be seen when it was asked for"
    audit(wallet, closing, done="grew", before={"amount_micros": before}, after={"status": closing.status})
    return True


def _go_on(wallet: Wallet, closing: WalletClosing, *, locked: Collection[UUID]) -> None:
    if closing.status == Status.ENDING:
        wallet = lapse_promotions(wallet)
        closing.status = Status.REFUNDING
    refundable = _refundable(wallet, closing)
    if not refundable:
        _finish(wallet, closing)
        return
    closing.waits_for = "refunds that are under way"
    for top_up_id, micros in refundable.items():
        # One that came up only now is for the next step, which locks it first.
        if top_up_id in locked:
            _ask_for_refund(wallet, closing, top_up_id=top_up_id, micros=micros)


def _refundable(wallet: Wallet, closing: WalletClosing) -> dict[UUID, int]:
    """Unspent parts of top-ups that can take money back: not disputed, and less than what Stripe has refused in this closing."""
    failed = closing.refund_requests.filter(status=RefundRequest.Status.FAILED).values("top_up").annotate(least=Min("amount_micros"))
    refused = dict(failed.values_list("top_up", "least"))
    disputed = set(open_disputes().filter(wallet=wallet).values_list("top_up_id", flat=True))
    parts = ((top_up, micros) for top_up, micros in unspent_top_ups(wallet).items() if top_up not in disputed)
    return dict(islice(((top_up, micros) for top_up, micros in parts if micros < refused.get(top_up, micros + 1)), REFUNDED_AT_ONCE))


def _ask_for_refund(wallet: Wallet, closing: WalletClosing, *, top_up_id: UUID, micros: int) -> None:
    request = make_refund_request(
        wallet,
        top_up_id=top_up_id,
        amount_micros=micros,
        reason=closing.reason,
        request_id=f"closing:{closing.pk}:{uuid4().hex}",
        # The closing was approved as a whole.
        needs_second=False,
        by=closing.requested_by,
        closing=closing,
    )
    wake("wallet.tasks.send_refund", str(request.pk))


def _finish(wallet: Wallet, closing: WalletClosing) -> None:
    closing.status, closing.resolved_at, closing.left_micros = Status.DONE, timezone.now(), wallet.balance_micros
    refunded = closing.refund_requests.filter(status=RefundRequest.Status.DONE).aggregate(sum=Sum("amount_micros"))["sum"] or 0
    after = _standing_of(wallet) | {"status": closing.status, "refunded_micros": int(refunded)}
    audit(wallet, closing, done="done", before={"status": Status.REFUNDING}, after=after)


def _standing_of(wallet: Wallet) -> dict[str, object]:
    return sums_of(wallet) | {"is_closed": wallet.closed_at is not None}


def _read(closing_id: UUID | str) -> WalletClosing:
    return WalletClosing.objects.select_related("wallet__workspace", "requested_by").get(pk=closing_id)
