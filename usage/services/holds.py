"""Holds for uses: asked for before a call or task starts, extended while it runs, given back when it does not happen.

The money is wallet.services.holds'; here stands what it is for. Capturing is done by the event that reports the use.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from usage.cloud_events import CloudEvent, UseData, identity, made_here
from usage.errors import NotAllowed, Reason
from usage.models import Event, HoldTerms, Meter
from usage.rating import Rate, affordable_quantity, rate_use
from usage.services.budgets import check_budgets
from usage.services.gate import Answer, ask_gate
from usage.services.ingestion import Reporter, Taken, take_events
from usage.services.prices import current_prices
from wallet.errors import AlreadyResolved, IdempotencyConflict
from wallet.ledger import lock_wallet
from wallet.models import Hold, Wallet
from wallet.services.holds import extend_hold, locked_open_hold, place_hold

HOLD_SOURCE = "/holds"
CALL_SECONDS_HELD = 600
"""What is set aside for a call whose length nobody knows: ten minutes, or what the money buys; extend it to go on."""
LIFETIME_AFTER_USE = timedelta(minutes=30)
"""How long after the use must have ended its report may come before the money is given back."""


@dataclass(frozen=True, kw_only=True)
class UseRequest:
    """A use that wants to start. `expected_quantity` in the meter's unit; None where nobody knows."""

    meter: Meter
    destination: str = ""
    expected_quantity: int | None = None
    reference: str = ""
    agent: str = ""
    own_number: str = ""
    api_key: str = ""


@dataclass(frozen=True)
class HeldUse:
    """The answer to a request that passed: `hold` is None where the use is free and nothing is set aside."""

    hold: Hold | None
    terms: HoldTerms | None
    max_quantity: int


def hold_for_use(wallet_id: int, request: UseRequest, *, idempotency_key: str) -> HeldUse:
    """Set the money for a use aside, so that it may start.

    Locks: wallet. Idempotent by: `idempotency_key`, in its wallet; a refusal does not use it up.
    Raises: NotAllowed with the gate's reason; IdempotencyConflict where the key was used for another use.
    """
    with transaction.atomic():
        wallet = lock_wallet(wallet_id)
        standing = HoldTerms.objects.filter(wallet=wallet, hold_id__in=_holds_under(wallet, idempotency_key)).first()
        if standing is not None:
            return _as_before(standing, request)
        answer = ask_gate(
            wallet, request.meter, destination=request.destination, expected_quantity=request.expected_quantity, prices=current_prices()
        )
        if answer.starts_grace:
            # The grace time starts with the first inbound use that the money does not cover.
            Wallet.objects.filter(pk=wallet.pk, depleted_at=None).update(depleted_at=Now())
        if answer.reason is None:
            return _hold(wallet, request, answer, idempotency_key=idempotency_key)
    wallet.refresh_from_db()
    raise NotAllowed(answer.reason, grace_until=wallet.grace_until)


def extend_use(wallet_id: int, hold_id: UUID, *, by_quantity: int) -> HeldUse:
    """Set more aside for a use that goes on; a call gets as much of `by_quantity` as the money buys.

    Locks: wallet. Raises: NotAllowed, HoldExpired, AlreadyResolved, Hold.DoesNotExist.
    """
    with transaction.atomic():
        wallet = lock_wallet(wallet_id)
        hold = locked_open_hold(wallet, hold_id)
        terms = HoldTerms.objects.select_related("meter").get(wallet=wallet, hold_id=hold_id)
        rate = (
            current_prices()
            .table(wallet.pk, currency=wallet.currency)
            .find(terms.meter_id, destination=terms.destination, at=hold.created_at)
        )
        assert rate is not None, "A rate that was in force stays the rate of that moment."
        floor_micros = _floor(wallet, terms.meter)
        quantity = _affordable(
            rate, terms, room_micros=hold.amount_micros + wallet.available_micros - floor_micros, by_quantity=by_quantity
        )
        more_micros = max(0, rate_use(rate, quantity=quantity, used_this_month=terms.used_this_month).amount_micros - hold.amount_micros)
        _check_budgets(wallet, terms, amount_micros=more_micros)
        hold = extend_hold(hold, by_micros=more_micros, lifetime=_lifetime(terms.meter, by_quantity), floor_micros=floor_micros)
        terms.held_quantity = quantity
        terms.save(update_fields=["held_quantity"])
    return HeldUse(hold, terms, quantity)


def capture_use(hold: Hold, *, quantity: int, reporter: Reporter) -> Event:
    """Charge what was used under a hold, as an event with the hold's id: the same capture again answers the same event.

    Locks: wallet. Raises: AlreadyResolved where the hold was released, or captured otherwise.
    """
    terms = HoldTerms.objects.select_related("meter", "wallet__workspace").get(wallet_id=hold.wallet_id, hold_id=hold.id)
    event = _capture_event(hold, terms, quantity=quantity)
    if hold.status != Hold.Status.OPEN and not _event_of(hold, event):
        _refuse_resolved(hold)
    (outcome,) = take_events([made_here(event)], reporter=reporter)
    if outcome.taken is Taken.KEPT_ASIDE:
        raise AlreadyResolved("This hold was captured before, with another quantity.")
    found = _event_of(hold, event)
    assert found is not None, "What was taken has its row."
    return found


def _capture_event(hold: Hold, terms: HoldTerms, *, quantity: int) -> CloudEvent:
    inbound = terms.meter.use.is_inbound
    data = UseData(
        quantity=quantity,
        to=terms.own_number if inbound else terms.destination,
        from_=terms.destination if inbound else terms.own_number,
        agent=terms.agent,
        hold=str(hold.id),
    )
    # No time of its own: it happens when it is first taken, and a repeat must be the very same event.
    return CloudEvent(
        id=str(hold.id), source=HOLD_SOURCE, type=terms.meter_id, specversion="1.0", subject=terms.wallet.workspace.public_id, data=data
    )


def _event_of(hold: Hold, event: CloudEvent) -> Event | None:
    return Event.objects.filter(wallet_id=hold.wallet_id, key=identity(event.source, event.id)).first()


def _refuse_resolved(hold: Hold) -> None:
    if hold.status in (Hold.Status.CAPTURED, Hold.Status.RELEASED):
        raise AlreadyResolved(f"This hold is {hold.status} already.")


def _holds_under(wallet: Wallet, idempotency_key: str) -> QuerySet[Hold, UUID]:
    return Hold.objects.filter(wallet=wallet, idempotency_key=idempotency_key).values_list("id", flat=True)


def _as_before(terms: HoldTerms, request: UseRequest) -> HeldUse:
    hold = Hold.objects.get(wallet_id=terms.wallet_id, id=terms.hold_id)
    asked = (request.meter.pk, request.destination, request.reference)
    if (terms.meter_id, terms.destination, hold.reference) != asked:
        raise IdempotencyConflict("This idempotency key was used for another hold.")
    return HeldUse(hold, terms, terms.max_quantity)


def _hold(wallet: Wallet, request: UseRequest, answer: Answer, *, idempotency_key: str) -> HeldUse:
    quantity = min(answer.max_quantity, request.expected_quantity or (CALL_SECONDS_HELD if request.meter.use.is_call else 1))
    amount_micros = rate_use(answer.rate, quantity=quantity, used_this_month=answer.used_this_month).amount_micros if answer.rate else 0
    if not amount_micros or answer.rate is None:
        return HeldUse(None, None, answer.max_quantity)
    terms = HoldTerms(
        wallet=wallet,
        meter=request.meter,
        rate_id=answer.rate.id,
        destination=request.destination,
        agent=request.agent,
        own_number=request.own_number,
        api_key=request.api_key,
        held_quantity=quantity,
        max_quantity=answer.max_quantity,
        used_this_month=answer.used_this_month,
    )
    _check_budgets(wallet, terms, amount_micros=amount_micros)
    hold = place_hold(
        wallet.pk,
        amount_micros=amount_micros,
        reference=request.reference,
        idempotency_key=idempotency_key,
        lifetime=_lifetime(request.meter, quantity),
        floor_micros=answer.floor_micros,
    )
    terms.hold_id = hold.id
    terms.save(force_insert=True)
    return HeldUse(hold, terms, answer.max_quantity)


def _check_budgets(wallet: Wallet, terms: HoldTerms, *, amount_micros: int) -> None:
    scoped = {"agent": terms.agent, "own_number": terms.own_number, "api_key": terms.api_key}
    check_budgets(wallet, scoped=scoped, amount_micros=amount_micros, now=timezone.now(), zone=wallet.workspace.zone)


def _floor(wallet: Wallet, meter: Meter) -> int:
    """How far available may fall for a use that goes on: below zero only for inbound, until the grace time is over."""
    in_grace = wallet.grace_until is None or wallet.grace_until > timezone.now()
    return -wallet.overdraft_micros if meter.use.is_inbound and in_grace else 0


def _affordable(rate: Rate, terms: HoldTerms, *, room_micros: int, by_quantity: int) -> int:
    """The quantity that the hold pays for once it is extended; raises NotAllowed where the money buys nothing more."""
    wanted = terms.held_quantity + by_quantity
    bought = affordable_quantity(rate, available_micros=room_micros, used_this_month=terms.used_this_month, most=wanted)
    if bought <= terms.held_quantity or (bought < wanted and not terms.meter.use.is_call):
        raise NotAllowed(Reason.INSUFFICIENT_FUNDS, grace_until=None)
    return bought


def _lifetime(meter: Meter, quantity: int) -> timedelta:
    return LIFETIME_AFTER_USE + timedelta(seconds=quantity if meter.use.is_call else 0)
