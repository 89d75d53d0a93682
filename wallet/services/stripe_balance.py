"""Compares Stripe's balance, movement by movement, with the ledger, in both directions. Corrects nothing: it tells.

Reconciliation has already brought into step what can be; what is left here needs a person.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from wallet.models import Discrepancy, Dispute, Refund, StripeMovement, TopUp, Transfer
from wallet.money import CURRENCIES, format_exact, format_money
from wallet.services.customers import wallets_of_customers
from wallet.services.disputes import dispute_key
from wallet.services.settlement import top_up_key
from wallet.stripe_objects import Movement

BATCH = 500
SETTLES_WITHIN = timedelta(hours=1)
"""Money that is younger may be between Stripe's book and ours at this very moment."""
PAYS_OVER_WITHIN = timedelta(days=1)
"""At the far end of the period: a payment that Stripe booked just before it may have been credited within it."""

Kind = Discrepancy.Kind


@dataclass(frozen=True, kw_only=True)
class Unmatched:
    """One thing that is there on one side only, or differs."""

    kind: Discrepancy.Kind
    reference: str
    words: str
    happened_at: datetime | None = None
    wallet_id: int | None = None
    amount_micros: int | None = None
    currency: str = ""


class Comparison:
    """One pass over Stripe's movements; afterwards `missing` asks the other way round."""

    def __init__(self, *, now: datetime) -> None:
        self.settled_before = now - SETTLES_WITHIN
        self.movements = 0
        self._paid: set[str] = set()
        self._gone_back: set[str] = set()

    def unmatched(self, movements: Iterable[Movement]) -> Iterator[Unmatched]:
        """What Stripe has and we don't. Keeps every movement, for the journal."""
        source = iter(movements)
        while batch := list(islice(source, BATCH)):
            self.movements += len(batch)
            self._paid |= {movement.payment_id for movement in batch if movement.source_kind == "charge"}
            self._gone_back |= {movement.source_id for movement in batch if movement.source_kind in ("refund", "dispute")}
            yield from self._compare(batch)

    def missing(self, *, since: datetime) -> Iterator[Unmatched]:
        """What we have and Stripe has not: credits, refunds and disputes of the period of which none of its movements tells."""
        period = (since + PAYS_OVER_WITHIN, self.settled_before)
        yield from self._credits_without_payment(period)
        yield from self._refunds_of_nothing(period)
        yield from self._disputes_of_nothing(period)

    def _credits_without_payment(self, period: tuple[datetime, datetime]) -> Iterator[Unmatched]:
        credited = TopUp.objects.filter(status=TopUp.Status.SUCCEEDED, resolved_at__gte=period[0], resolved_at__lt=period[1])
        for top_up in credited.select_related("wallet").iterator(chunk_size=BATCH):
            if top_up.payment_intent_id not in self._paid and not _was_paid(top_up.payment_intent_id):
                yield Unmatched(
                    kind=Kind.NO_PAYMENT,
                    reference=str(top_up.pk),
                    words=f"{top_up.receipt_number} credited {_money(top_up.amount_micros, top_up.wallet.currency)} "
                    f"for the payment {top_up.payment_intent_id}, which Stripe's balance does not have.",
                    happened_at=top_up.resolved_at,
                    wallet_id=top_up.wallet_id,
                    amount_micros=top_up.amount_micros,
                    currency=top_up.wallet.currency,
                )

    def _refunds_of_nothing(self, period: tuple[datetime, datetime]) -> Iterator[Unmatched]:
        # It may have been pending for long, and its money left just now.
        sent_back = Refund.objects.filter(status="succeeded", created_at__gte=period[0], updated_at__lt=period[1])
        for refund in sent_back.select_related("wallet", "top_up").iterator(chunk_size=BATCH):
            if not self._has_gone_back(refund.stripe_refund_id):
                yield _not_gone_back(refund, "which Stripe's balance does not have.")

    def _disputes_of_nothing(self, period: tuple[datetime, datetime]) -> Iterator[Unmatched]:
        withdrawn = Dispute.objects.filter(withdrawn_micros__gt=0, created_at__gte=period[0], created_at__lt=period[1])
        for dispute in withdrawn.select_related("wallet", "top_up").iterator(chunk_size=BATCH):
            if not self._has_gone_back(dispute.stripe_dispute_id) and self._was_booked_before(dispute):
                yield _not_gone_back(dispute, "which Stripe's balance does not have.")

    def _was_booked_before(self, dispute: Dispute) -> bool:
        # As an inquiry it may have taken nothing for long.
        booked = Transfer.objects.filter(wallet=dispute.wallet_id, idempotency_key=dispute_key(dispute))
        return booked.filter(posted_at__lt=self.settled_before).exists()

    def _has_gone_back(self, source_id: str) -> bool:
        # An earlier run has seen what is older than the period.
        return source_id in self._gone_back or StripeMovement.objects.filter(source_id=source_id).exists()

    def _compare(self, batch: Sequence[Movement]) -> Iterator[Unmatched]:
        known = _Known(batch)
        StripeMovement.objects.bulk_create([_kept(movement, known) for movement in batch], ignore_conflicts=True)
        for movement in batch:
            if movement.source_kind and movement.created_at < self.settled_before:
                found = known.judge(movement)
                if found is not None:
                    yield found


class _Known:
    """Our rows for a batch of movements, each table read once."""

    def __init__(self, batch: Sequence[Movement]) -> None:
        payments = {movement.payment_id for movement in batch if movement.payment_id}
        self.top_ups = {top_up.payment_intent_id: top_up for top_up in TopUp.objects.filter(payment_intent_id__in=payments)}
        keys = [top_up_key(top_up) for top_up in self.top_ups.values()]
        wallets = {top_up.wallet_id for top_up in self.top_ups.values()}
        posted = Transfer.objects.filter(wallet_id__in=wallets, idempotency_key__in=keys)
        self.credits = {transfer.idempotency_key: transfer.amount_micros for transfer in posted}
        sources = {movement.source_id for movement in batch}
        self.refunds = dict(Refund.objects.filter(stripe_refund_id__in=sources).values_list("stripe_refund_id", "amount_micros"))
        self.disputes = set(Dispute.objects.filter(stripe_dispute_id__in=sources).values_list("stripe_dispute_id", flat=True))
        customers = {movement.customer_id for movement in batch if movement.customer_id}
        self.wallets = wallets_of_customers(customers)

    def wallet_of(self, movement: Movement) -> int | None:
        top_up = self.top_ups.get(movement.payment_id)
        return top_up.wallet_id if top_up else self.wallets.get(movement.customer_id)

    def judge(self, movement: Movement) -> Unmatched | None:
        """What is wrong with it; None where it is as it should be."""
        top_up = self.top_ups.get(movement.payment_id)
        if movement.source_kind == "charge":
            return self._judge_charge(movement, top_up)
        if movement.source_id in self.refunds:
            return self._judge_refund(movement, kept_micros=self.refunds[movement.source_id])
        if top_up is None or movement.source_id in self.disputes:
            return None
        return self._told(
            Kind.NOT_TAKEN, movement, f"Stripe has the {movement.source_kind} {movement.source_id} of {top_up.receipt_number}; we have not."
        )

    def _judge_charge(self, movement: Movement, top_up: TopUp | None) -> Unmatched | None:
        paid = _money(movement.amount_micros, movement.currency)
        if top_up is None:
            return self._told(Kind.UNKNOWN_PAYMENT, movement, f"Stripe has a payment of {paid} that no top-up asked for.")
        credited = self.credits.get(top_up_key(top_up))
        if credited is None:
            return self._told(Kind.NOT_CREDITED, movement, f"Stripe has {paid} for the top-up {top_up.pk}, which is {top_up.status}.")
        if credited != movement.amount_micros:
            words = f"Stripe has {paid}, and {top_up.receipt_number} credited {_money(credited, movement.currency)}."
            return self._told(Kind.AMOUNT, movement, words)
        return None

    def _judge_refund(self, movement: Movement, *, kept_micros: int) -> Unmatched | None:
        # The sign is that of the movement: a refund that fails comes back by another one.
        if movement.amount_micros is not None and abs(movement.amount_micros) == kept_micros:
            return None
        moved = None if movement.amount_micros is None else abs(movement.amount_micros)
        kept = format_exact(kept_micros, currency=movement.currency) if movement.currency in CURRENCIES else f"{kept_micros} micros"
        words = f"Stripe refunded {_money(moved, movement.currency)} by {movement.source_id}, and the ledger has {kept} for it."
        return self._told(Kind.AMOUNT, movement, words)

    def _told(self, kind: Discrepancy.Kind, movement: Movement, words: str) -> Unmatched:
        return Unmatched(
            kind=kind,
            reference=movement.payment_id if movement.source_kind == "charge" and movement.payment_id else movement.source_id,
            words=words,
            happened_at=movement.created_at,
            wallet_id=self.wallet_of(movement),
            amount_micros=movement.amount_micros,
            currency=movement.currency,
        )


def _kept(movement: Movement, known: _Known) -> StripeMovement:
    return StripeMovement(
        id=movement.id,
        type=movement.type,
        source_id=movement.source_id,
        payment_id=movement.payment_id,
        wallet_id=known.wallet_of(movement),
        amount_micros=movement.amount_micros,
        currency=movement.currency,
        fee_minor=movement.fee_minor,
        net_minor=movement.net_minor,
        settled_currency=movement.settled_currency,
        happened_at=movement.created_at,
    )


def known_no_more(row: Refund | Dispute) -> Unmatched:
    """A refund or a dispute that has no end yet, and that Stripe does not find by its id."""
    return _not_gone_back(row, "which has no end yet and is not at Stripe any more.")


def _not_gone_back(row: Refund | Dispute, what_is_wrong: str) -> Unmatched:
    currency = row.wallet.currency
    if isinstance(row, Refund):
        word, stripe_id, taken_micros = "refund", row.stripe_refund_id, row.amount_micros
    else:
        word, stripe_id, taken_micros = "dispute", row.stripe_dispute_id, row.withdrawn_micros
    return Unmatched(
        kind=Kind.NOT_GONE_BACK,
        reference=stripe_id,
        words=f"{_money(taken_micros, currency)} was taken from the wallet for the {word} {stripe_id} of {row.top_up.receipt_number}, "
        f"{what_is_wrong}",
        happened_at=row.created_at,
        wallet_id=row.wallet_id,
        amount_micros=taken_micros,
        currency=currency,
    )


def _was_paid(payment_id: str | None) -> bool:
    """Whether an earlier run has seen the payment's movement: it may be older than the period."""
    return StripeMovement.objects.filter(payment_id=payment_id, amount_micros__gt=0).exists()


def _money(amount_micros: int | None, currency: str) -> str:
    return format_money(amount_micros, currency=currency) if amount_micros is not None else f"an amount in {currency.upper()}"
