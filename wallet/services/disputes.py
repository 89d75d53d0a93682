"""Disputes as Stripe tells them: taken when the money leaves, put back when it returns, written off when lost.

What a dispute in another currency is in the wallet's is not guessed: it waits until the operator has said so.
"""

from django.db import transaction
from django.utils import timezone

from wallet import stripe_gateway
from wallet.alerts import alert
from wallet.errors import AlreadyResolved, AmountOutOfRange
from wallet.ledger import Entry, lock_wallet, post
from wallet.models import Account, AutomaticPayments, Dispute, Kind, TopUp, Transfer
from wallet.money import format_money, to_minor_exact
from wallet.services.automatic_suspension import suspend
from wallet.services.settlement import lock_credited_top_up
from wallet.services.standing import announce_standings
from wallet.stripe_objects import DisputeState
from workspaces.services.audit import record

CLOSED_STATUSES = ("won", "lost", "warning_closed", "prevented")


@transaction.atomic
def apply_dispute(state: DisputeState) -> Dispute:
    """Bring our book into step with a dispute (faults: A19, A20). An inquiry moves no money; may take the wallet below zero.

    Read from the dispute's own balance transactions, so the order in which events come does not matter.
    Locks: top-up → wallet. Idempotent by: the ledger keys `dispute-…:<id>`.
    Raises: UnknownPayment where the payment has no top-up; PaymentMismatch where it was never credited.
    """
    top_up = lock_credited_top_up(state.payment_id)
    dispute, is_new = Dispute.objects.get_or_create(
        stripe_dispute_id=state.id,
        defaults={"wallet_id": top_up.wallet_id, "top_up": top_up, "status": state.status, "reason": state.reason},
    )
    if is_new:
        alert("dispute_opened", dispute=state.id, wallet=top_up.wallet_id, top_up=top_up.pk)
    was_lost = not is_new and dispute.status == "lost"
    _follow(dispute, state, currency=top_up.wallet.currency)
    if dispute.waits_because:
        alert("dispute_waits", dispute=state.id, wallet=top_up.wallet_id, because=dispute.waits_because)
    _post(dispute)
    if dispute.status == "lost" and not was_lost:
        _stop_automatic_payments(dispute)
    return dispute


def book_dispute(stripe_dispute_id: str, *, amount_micros: int) -> Dispute:
    """Say what a dispute in another currency took in the wallet's, and book it as it stands at Stripe now.

    Not inside a transaction: asks Stripe. Locks: top-up → wallet. Idempotent by: dispute and amount.
    Raises: Dispute.DoesNotExist; AmountOutOfRange above what was paid; InexactAmount; AlreadyResolved where its amount is known and
    was taken; GatewayError.
    """
    dispute = Dispute.objects.select_related("wallet", "top_up").get(stripe_dispute_id=stripe_dispute_id)
    _check_amount(amount_micros, top_up=dispute.top_up)
    state = stripe_gateway.retrieve_dispute(stripe_dispute_id)
    with transaction.atomic():
        top_up = lock_credited_top_up(state.payment_id)
        dispute.refresh_from_db()
        is_settled = state.currency == top_up.wallet.currency or dispute.withdrawn_micros > 0
        if is_settled and dispute.amount_micros != amount_micros:
            raise AlreadyResolved("What this dispute took is known already, and booked. Correct a mistake by an adjustment.")
        if dispute.amount_micros != amount_micros:
            before, after = {"amount_micros": dispute.amount_micros}, {"amount_micros": amount_micros}
            record(
                "dispute.booked", workspace=dispute.wallet_id, target=dispute.stripe_dispute_id, before=before, after=after, as_staff=True
            )
        dispute.amount_micros, dispute.waits_because = amount_micros, ""
        dispute.save(update_fields=["amount_micros", "waits_because"])
        return apply_dispute(state)


def dispute_key(dispute: Dispute) -> str:
    """The ledger key of what the dispute took."""
    return _key(dispute, Kind.DISPUTE)


def _check_amount(amount_micros: int, *, top_up: TopUp) -> None:
    currency = top_up.wallet.currency
    if not 0 < amount_micros <= top_up.amount_micros:
        paid = format_money(top_up.amount_micros, currency=currency)
        raise AmountOutOfRange(f"The payment was {paid}: no more than that can be taken from the wallet for it.")
    to_minor_exact(amount_micros, currency=currency)


def _follow(dispute: Dispute, state: DisputeState, *, currency: str) -> None:
    if dispute.closed_at is None or state.status in CLOSED_STATUSES:
        # An answer that is older than what we know does not open it again.
        dispute.status = state.status
    if state.status in CLOSED_STATUSES and dispute.closed_at is None:
        dispute.closed_at = timezone.now()
    # Until the money is taken the bank may come to ask for another amount; what was taken is what comes back.
    if state.currency == currency and not dispute.withdrawn_micros:
        dispute.amount_micros = state.amount_micros
    # One that has ended and took nothing has nothing to wait for.
    waits = dispute.amount_micros is None and (state.is_withdrawn or dispute.closed_at is None)
    dispute.waits_because = f"It is in {state.currency.upper()} and the wallet in {currency.upper()}." if waits else ""
    if dispute.amount_micros is not None and state.is_withdrawn and not dispute.withdrawn_micros:
        dispute.withdrawn_micros = dispute.amount_micros
    if state.is_reinstated and not dispute.reinstated_micros:
        dispute.reinstated_micros = dispute.withdrawn_micros
    dispute.save(update_fields=["status", "closed_at", "amount_micros", "waits_because", "withdrawn_micros", "reinstated_micros"])


def _post(dispute: Dispute) -> None:
    receipt = dispute.top_up.receipt_number or "a top-up"
    taken, returned = dispute.withdrawn_micros, dispute.reinstated_micros
    entries = []
    if taken:
        entries.append(
            _entry(dispute, Kind.DISPUTE, debit=Account.WALLET, credit=Account.DISPUTES, micros=taken, words=f"Dispute of {receipt}")
        )
    if returned:
        entries.append(
            _entry(
                dispute,
                Kind.DISPUTE_WON,
                debit=_where_it_is(dispute),
                credit=Account.WALLET,
                micros=returned,
                words=f"Dispute of {receipt} won",
            )
        )
    if dispute.status == "lost" and taken > returned:
        # The claim is final: what waited in disputes leaves the book. The wallet is no party any more.
        entries.append(
            _entry(
                dispute,
                Kind.DISPUTE_LOST,
                debit=Account.DISPUTES,
                credit=Account.WRITE_OFFS,
                micros=taken - returned,
                words=f"Dispute of {receipt} lost",
            )
        )
    post(dispute.wallet_id, entries)
    announce_standings([lock_wallet(dispute.wallet_id)], came_in=bool(returned))


def _stop_automatic_payments(dispute: Dispute) -> None:
    """Whoever had money taken back by the bank has not agreed to the next charge: the owner must say so.

    Also where the rule is suspended already: any other suspension is ended by whoever pays.
    """
    wallet, reason = lock_wallet(dispute.wallet_id), AutomaticPayments.Suspension.DISPUTED
    rule = AutomaticPayments.objects.filter(wallet=wallet, is_active=True).exclude(suspension=reason).first()
    if rule is not None:
        suspend(wallet, rule, reason)


def _where_it_is(dispute: Dispute) -> Account:
    """Where the disputed money waits. Banks have changed their mind: what was written off as lost may be won all the same."""
    was_lost = Transfer.objects.filter(wallet_id=dispute.wallet_id, idempotency_key=_key(dispute, Kind.DISPUTE_LOST)).exists()
    return Account.WRITE_OFFS if was_lost else Account.DISPUTES


def _key(dispute: Dispute, kind: Kind) -> str:
    return f"{kind}:{dispute.stripe_dispute_id}".replace("_", "-")


def _entry(dispute: Dispute, kind: Kind, *, debit: Account, credit: Account, micros: int, words: str) -> Entry:
    return Entry(
        debit=debit,
        credit=credit,
        amount_micros=micros,
        kind=kind,
        reference=dispute.stripe_dispute_id,
        description=words,
        happened_at=timezone.now(),
        idempotency_key=_key(dispute, kind),
    )
