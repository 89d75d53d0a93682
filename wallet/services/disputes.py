"""Disputes as Stripe tells them: taken when the money leaves, put back when it returns, written off when lost."""

from django.db import transaction
from django.utils import timezone

from wallet.alerts import alert
from wallet.ledger import Entry, post
from wallet.models import Account, Dispute, Kind
from wallet.services.settlement import lock_credited_top_up
from wallet.stripe_objects import DisputeState

CLOSED_STATUSES = ("won", "lost", "warning_closed", "prevented")


@transaction.atomic
def apply_dispute(state: DisputeState) -> Dispute:
    """Bring our book into step with a dispute (faults: A19, A20). An inquiry moves no money; may take the wallet below zero.

    Read from the dispute's own balance transactions, so the order in which events come does not matter.
    Locks: top-up → wallet. Idempotent by: the ledger keys `dispute-…:<id>`.
    Raises: UnknownPayment where the payment has no top-up; PaymentMismatch where it was never credited, or in another currency.
    """
    top_up = lock_credited_top_up(state.payment_id, currency=state.currency)
    assert state.amount_micros is not None, "An amount in a wallet's currency has its micros."
    dispute, is_new = Dispute.objects.get_or_create(
        stripe_dispute_id=state.id,
        defaults={
            "wallet_id": top_up.wallet_id,
            "top_up": top_up,
            "amount_micros": state.amount_micros,
            "status": state.status,
            "reason": state.reason,
        },
    )
    if is_new:
        alert("dispute_opened", dispute=state.id, wallet=top_up.wallet_id, top_up=top_up.pk)
    _follow(dispute, state)
    _post(dispute)
    return dispute


def _follow(dispute: Dispute, state: DisputeState) -> None:
    if dispute.closed_at is None or state.status in CLOSED_STATUSES:
        # An answer that is older than what we know does not open it again.
        dispute.status = state.status
    dispute.withdrawn_micros = max(dispute.withdrawn_micros, state.withdrawn_micros)
    dispute.reinstated_micros = max(dispute.reinstated_micros, state.reinstated_micros)
    if state.status in CLOSED_STATUSES and dispute.closed_at is None:
        dispute.closed_at = timezone.now()
    dispute.save(update_fields=["status", "withdrawn_micros", "reinstated_micros", "closed_at"])


def _post(dispute: Dispute) -> None:
    receipt = dispute.top_up.receipt_number or "a top-up"
    entries = []
    if dispute.withdrawn_micros:
        entries.append(
            _entry(
                dispute,
                Kind.DISPUTE,
                debit=Account.WALLET,
                credit=Account.DISPUTES,
                micros=dispute.withdrawn_micros,
                words=f"Dispute of {receipt}",
            )
        )
    if dispute.reinstated_micros:
        entries.append(
            _entry(
                dispute,
                Kind.DISPUTE_WON,
                debit=Account.DISPUTES,
                credit=Account.WALLET,
                micros=dispute.reinstated_micros,
                words=f"Dispute of {receipt} won",
            )
        )
    lost_micros = dispute.withdrawn_micros - dispute.reinstated_micros
    if dispute.status == "lost" and lost_micros > 0:
        # The claim is final: what waited in disputes leaves the book. The wallet is no party any more.
        entries.append(
            _entry(
                dispute,
                Kind.DISPUTE_LOST,
                debit=Account.DISPUTES,
                credit=Account.WRITE_OFFS,
                micros=lost_micros,
                words=f"Dispute of {receipt} lost",
            )
        )
    post(dispute.wallet_id, entries)


def _entry(dispute: Dispute, kind: Kind, *, debit: Account, credit: Account, micros: int, words: str) -> Entry:
    return Entry(
        debit=debit,
        credit=credit,
        amount_micros=micros,
        kind=kind,
        reference=dispute.stripe_dispute_id,
        description=words,
        happened_at=timezone.now(),
        idempotency_key=f"{kind}:{dispute.stripe_dispute_id}".replace("_", "-"),
    )
