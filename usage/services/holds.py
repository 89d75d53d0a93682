"""Holds for uses: asked for before a call or task starts, extended while it runs, captured when it is over.

The money is wallet.services.holds'; here stands what it is for. A capture is the report of the use, as any event is.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from usage.cloud_events import CloudEvent, UseData, content_digest, identity, made_here
from usage.errors import NotAllowed, Reason
from usage.models import Event, HoldTerms, Meter
from usage.rating import Rate, affordable_quantity, rate_use
from usage.services.budgets import tightest_room
from usage.services.charging import HOLD_CHARGED
from usage.services.gate import Answer, ask_gate, grace_is_over, longest, standing_reason
from usage.services.ingestion import HOLD_SOURCE, Outcome, Reporter, take_events
from usage.services.prices import current_prices, rate_of_id
from wallet.errors import AlreadyResolved, IdempotencyConflict
from wallet.ledger import lock_wallet
from wallet.models import Hold, Wallet
from wallet.queries import database_time
from wallet.services.holds import expire_hold, extend_hold, locked_open_hold, place_hold
from wallet.services.standing import announce_standings
from wallet_billing.counters import Counter

CALL_SECONDS_HELD = 600
"""What is set aside for a call whose length nobody knows: ten minutes, or what the money buys; extend it to go on."""
LIFETIME_AFTER_USE = timedelta(minutes=30)
"""How long after the use must have ended its report may come before the money is given back."""
ALLOWED = Counter(name="wallet_holds_allowed", meaning="Uses that were let start or go on, those that are free included.")
REFUSED = Counter(
    name="wallet_holds_refused", meaning="Uses that were not, by why.", labels={"reason": [reason.value for reason in Reason]}
)


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


@dataclass(frozen=True)
class Captured:
    """What became of a capture: the event that was charged, or why it is kept aside until the operator mends it."""

    hold: Hold
    event: Event | None
    outcome: Outcome | None = None

    @property
    def amount_micros(self) -> int | None:
        """What was charged; None where it is kept aside."""
        return self.event.amount_micros if self.event is not None else None


@contextmanager
def _counted() -> Iterator[None]:
    """A yes counts once it is committed; a no at once, as nothing of it is."""
    try:
        yield
    except NotAllowed as refusal:
        REFUSED.add(refusal.reason.value)
        raise
    transaction.on_commit(ALLOWED.add, robust=True)


# ---------------------------------------------------------------- placing
@_counted()
def hold_for_use(wallet_id: int, request: UseRequest, *, idempotency_key: str) -> HeldUse:
    """Set the money for a use aside, so that it may start.

    Locks: wallet. Idempotent by: `idempotency_key`, in its wallet; a refusal does not use it up.
    Raises: NotAllowed with the gate's reason; IdempotencyConflict where the key was used for another use.
    """
    with transaction.atomic():
        wallet = lock_wallet(wallet_id)
        standing = Hold.objects.filter(wallet=wallet, idempotency_key=idempotency_key).first()
        if standing is not None:
            return _as_before(standing, request)
        answer = ask_gate(
            wallet,
            request.meter,
            destination=request.destination,
            expected_quantity=request.expected_quantity,
            scoped={"agent": request.agent, "own_number": request.own_number, "api_key": request.api_key},
            prices=current_prices(),
        )
        if not answer.allowed:
            raise answer.refusal(wallet)
        if answer.starts_grace:
            _start_grace(wallet)
        return _hold(wallet, request, answer, idempotency_key=idempotency_key)


def _as_before(hold: Hold, request: UseRequest) -> HeldUse:
    terms = HoldTerms.objects.get(wallet_id=hold.wallet_id, hold_id=hold.id)
    asked = (request.meter.pk, request.destination, request.reference)
    if (terms.meter_id, terms.destination, hold.reference) != asked:
        raise IdempotencyConflict("This idempotency key was used for another hold.")
    if hold.status != Hold.Status.OPEN:
        # A key that is used again long after: to answer the old hold would let a use start that nothing covers.
        raise AlreadyResolved(f"The hold of this idempotency key is {hold.status}. Use a new key for a new use.")
    return HeldUse(hold, terms, terms.max_quantity)


def _start_grace(wallet: Wallet) -> None:
    """The grace time starts with the first inbound use that the money does not cover."""
    Wallet.objects.filter(pk=wallet.pk, depleted_at=None).update(depleted_at=Now())
    wallet.refresh_from_db(fields=["depleted_at"])
    announce_standings([wallet])


def _hold(wallet: Wallet, request: UseRequest, answer: Answer, *, idempotency_key: str) -> HeldUse:
    quantity = min(answer.max_quantity, request.expected_quantity or (CALL_SECONDS_HELD if request.meter.use.is_call else 1))
    amount_micros = rate_use(answer.rate, quantity=quantity, used_this_month=answer.used_this_month).amount_micros if answer.rate else 0
    if not amount_micros or answer.rate is None:
        return HeldUse(None, None, answer.max_quantity)
    hold = place_hold(
        wallet.pk,
        amount_micros=amount_micros,
        reference=request.reference,
        idempotency_key=idempotency_key,
        lifetime=_duration(request.meter, quantity) + LIFETIME_AFTER_USE,
        floor_micros=answer.floor_micros,
    )
    terms = HoldTerms(
        wallet=wallet,
        hold_id=hold.id,
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
    terms.save(force_insert=True)
    return HeldUse(hold, terms, answer.max_quantity)


def _duration(meter: Meter, quantity: int) -> timedelta:
    return timedelta(seconds=quantity if meter.use.is_call else 0)


# ---------------------------------------------------------------- extending
@_counted()
def extend_use(wallet_id: int, hold_id: UUID, *, by_quantity: int) -> HeldUse:
    """Set more aside for a use that goes on; a call gets as much of `by_quantity` as the money buys.

    It goes on at the price that it began at. Not idempotent by itself: the caller's key is kept with the request.
    Locks: wallet. Raises: NotAllowed, HoldExpired, AlreadyResolved, Hold.DoesNotExist.
    """
    with transaction.atomic():
        wallet = lock_wallet(wallet_id)
        hold = locked_open_hold(wallet, hold_id)
        terms = HoldTerms.objects.select_related("meter").get(wallet=wallet, hold_id=hold_id)
        reason = standing_reason(wallet)
        if reason is not None:
            raise NotAllowed(reason)
        assert terms.rate_id is not None, "What sets money aside has its rate."
        rate = rate_of_id(terms.rate_id)
        extension = _extension(wallet, hold, terms, rate, by_quantity=by_quantity)
        more_micros = max(0, _cost(rate, terms, extension.quantity) - hold.amount_micros)
        if wallet.depleted_at is None and wallet.available_micros < more_micros:
            _start_grace(wallet)
        more_time = _duration(terms.meter, extension.quantity - terms.held_quantity) or LIFETIME_AFTER_USE
        hold = extend_hold(hold, by_micros=more_micros, by_time=more_time, floor_micros=extension.floor_micros)
        terms.held_quantity = extension.quantity
        terms.save(update_fields=["held_quantity"])
    return HeldUse(hold, terms, extension.max_quantity)


@dataclass(frozen=True)
class _Extension:
    """How much the hold pays for once it is extended, and how much it could."""

    quantity: int
    max_quantity: int
    floor_micros: int


def _extension(wallet: Wallet, hold: Hold, terms: HoldTerms, rate: Rate, *, by_quantity: int) -> _Extension:
    now, held = database_time(), terms.held_quantity
    wanted = held + by_quantity
    # A use that goes on is asked again, as the gate asked it: by what the wallet has, then by what its budget has.
    paused = terms.meter.use.is_inbound and grace_is_over(wallet, now=now)
    floor_micros = -wallet.overdraft_micros if terms.meter.use.is_inbound and not paused else 0
    bought = _affordable(rate, terms, micros=hold.amount_micros + wallet.available_micros - floor_micros)
    least = held + 1 if terms.meter.use.is_call else wanted
    if bought < least:
        reason = Reason.CALLS_PAUSED if terms.meter.use.is_inbound else Reason.INSUFFICIENT_FUNDS
        raise NotAllowed(reason, grace_until=wallet.grace_until)
    room = tightest_room(wallet, scoped=_scoped(terms), now=now)
    if room is not None:
        # The room counts what this hold has set aside already.
        bought = min(bought, _affordable(rate, terms, micros=room.left_micros + hold.amount_micros))
        if bought < least:
            raise room.refusal()
    return _Extension(min(bought, wanted), bought, floor_micros)


def _affordable(rate: Rate, terms: HoldTerms, *, micros: int) -> int:
    most = terms.held_quantity + longest(terms.meter)
    return affordable_quantity(rate, available_micros=micros, used_this_month=terms.used_this_month, most=most)


def _cost(rate: Rate, terms: HoldTerms, quantity: int) -> int:
    return rate_use(rate, quantity=quantity, used_this_month=terms.used_this_month).amount_micros


def _scoped(terms: HoldTerms) -> Mapping[str, str]:
    return {"agent": terms.agent, "own_number": terms.own_number, "api_key": terms.api_key}


# ---------------------------------------------------------------- capturing
def capture_use(hold: Hold, *, quantity: int, reporter: Reporter) -> Captured:
    """Charge what was used under a hold, as an event with the hold's id: the same capture again answers the same event.

    After its expiry the use is charged all the same, as debt. What can't be charged is kept aside, as any event.
    Locks: wallet. Raises: AlreadyResolved where the hold was released, or captured otherwise; Overloaded.
    """
    with transaction.atomic():
        wallet = lock_wallet(hold.wallet_id)
        # A hold whose time is over is not captured, whether the sweep has seen it or not.
        expire_hold(wallet.pk, hold.id)
        hold.refresh_from_db()
        event = _capture_event(hold, quantity=quantity)
        charged = _event_of(hold, event)
        if charged is not None and charged.content.hex == content_digest(event, wallet_id=wallet.pk):
            return Captured(hold, charged)
        if charged is not None or hold.status in (Hold.Status.CAPTURED, Hold.Status.RELEASED):
            raise AlreadyResolved(f"This hold is {hold.status} already.")
        (outcome,) = take_events([made_here(event)], reporter=reporter)
        if outcome.code == HOLD_CHARGED.code:
            raise AlreadyResolved("What was used under this hold was charged before, by an event that names it.")
        hold.refresh_from_db()
        return Captured(hold, _event_of(hold, event), outcome)


def _capture_event(hold: Hold, *, quantity: int) -> CloudEvent:
    """Always the same for the same capture, so that a repeat is known as one. It happened when its hold was placed."""
    terms = HoldTerms.objects.select_related("meter", "wallet__workspace").get(wallet_id=hold.wallet_id, hold_id=hold.id)
    inbound = terms.meter.use.is_inbound
    data = UseData(
        quantity=quantity,
        to=terms.own_number if inbound else terms.destination,
        from_=terms.destination if inbound else terms.own_number,
        agent=terms.agent,
        hold=str(hold.id),
    )
    return CloudEvent(
        id=str(hold.id),
        source=HOLD_SOURCE,
        type=terms.meter_id,
        specversion="1.0",
        subject=terms.wallet.workspace.public_id,
        time=hold.created_at,
        data=data,
    )


def _event_of(hold: Hold, event: CloudEvent) -> Event | None:
    return Event.objects.filter(wallet_id=hold.wallet_id, key=identity(event.source, event.id)).first()
