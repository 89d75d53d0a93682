"""What a run of the Lab costs: reported on a lab meter when it is free, through the gate and the same events when it is live.

A free run never reaches the ledger and never asks the gate; what it would have cost live is only worked out and shown.
"""

from dataclasses import dataclass
from datetime import datetime

import structlog
from django.utils import timezone

from usage.cloud_events import CloudEvent, UseData, identity, made_here
from usage.errors import NotAllowed, RatingError, Reason
from usage.lab_scripts import agent_name
from usage.models import Event, HoldTerms, LabRun, Meter
from usage.queries import units_this_month
from usage.rating import rate_use
from usage.services.gate import ask_gate
from usage.services.holds import HeldUse, UseRequest, capture_use, hold_for_use
from usage.services.ingestion import LAB_SOURCE, Reporter, take_events
from usage.services.prices import current_prices
from wallet.errors import AlreadyResolved, HoldExpired
from wallet.models import Hold, Wallet
from wallet.services.holds import release_hold

logger = structlog.get_logger(__name__)

LAB_METERS: dict[str, str] = {LabRun.Kind.CHAT: "chat_lab", LabRun.Kind.VOICE: "voice_lab"}
INBOUND_METER = "call_in"
"""The lab's meter names one live meter, that of outbound calls; an inbound call is counted on this one."""


@dataclass(frozen=True)
class LiveUse:
    """What a run is, or would be, counted on live."""

    meter: Meter | None
    number: str

    @classmethod
    def of(cls, run: LabRun) -> "LiveUse":
        prices = current_prices()
        lab = prices.meter(LAB_METERS[run.kind])
        key = INBOUND_METER if run.is_inbound else lab.live_meter_id if lab is not None else None
        return cls(prices.meter(key) if key else None, run.number)


def live_cost(run: LabRun, *, quantity: int, at: datetime | None = None) -> int | None:
    """What that much of the run costs live in the wallet's currency, in micros; None where nothing prices it. Reads only."""
    use, wallet, at = LiveUse.of(run), run.wallet, at or timezone.now()
    rate = (
        current_prices().table(wallet.pk, currency=wallet.currency).find(use.meter.pk, destination=run.number, at=at) if use.meter else None
    )
    if rate is None or use.meter is None:
        return None
    used = units_this_month(wallet, use.meter, now=at) if rate.tiers else 0
    try:
        return rate_use(rate, quantity=quantity, used_this_month=used).amount_micros
    except RatingError:
        return None


def price_of_answer(wallet: Wallet) -> int | None:
    """What one answer of a chat costs live, in micros; None where nothing prices it. Reads only."""
    return live_cost(LabRun(wallet=wallet, kind=LabRun.Kind.CHAT), quantity=1)


def report_free(run: LabRun, *, event_id: str, quantity: int, happened_at: datetime) -> None:
    """Report a free use on its lab meter. Idempotent by: `event_id`. Never charged, whatever the wallet's state."""
    _take(run, type_=LAB_METERS[run.kind], event_id=event_id, quantity=quantity, happened_at=happened_at)


def hold_live(run: LabRun, *, key: str, expected_quantity: int) -> Hold | None:
    """Ask the gate and set the money aside; None where the use costs nothing. Locks: wallet. Raises: NotAllowed."""
    use = LiveUse.of(run)
    if use.meter is None:
        raise NotAllowed(Reason.NO_RATE)
    request = UseRequest(
        meter=use.meter, destination=run.number, expected_quantity=expected_quantity, reference=key, agent=agent_name(run.agent)
    )
    held: HeldUse = hold_for_use(run.wallet_id, request, idempotency_key=key)
    return held.hold


def charge_live(run: LabRun, *, hold: Hold | None, event_id: str, quantity: int, happened_at: datetime) -> int | None:
    """Charge a live use once and answer its price; None where it was kept aside for the operator. Locks: wallet."""
    if hold is None:
        use = LiveUse.of(run)
        if use.meter is None:
            return None
        return _take(run, type_=use.meter.pk, event_id=event_id, quantity=quantity, happened_at=happened_at)
    try:
        return capture_use(hold, quantity=quantity, reporter=Reporter()).amount_micros
    except AlreadyResolved as error:
        # Somebody else resolved the hold: the use happened all the same, so it is charged without it.
        logger.warning("lab_hold_was_resolved", run=str(run.pk), error=str(error))
        meter = LiveUse.of(run).meter
        return _take(run, type_=meter.pk, event_id=event_id, quantity=quantity, happened_at=happened_at) if meter is not None else None


def give_back(run: LabRun) -> None:
    """Nothing was used: the hold is released, or has expired by itself. Locks: wallet."""
    hold = hold_of(run)
    if hold is None:
        return
    try:
        release_hold(hold)
    except HoldExpired:
        logger.info("lab_hold_had_expired", run=str(run.pk))


def hold_of(run: LabRun) -> Hold | None:
    """The hold that a live call runs on."""
    return Hold.objects.get(wallet_id=run.wallet_id, id=run.hold_id) if run.hold_id else None


def held_seconds(run: LabRun) -> int | None:
    """How long the call is paid for by what is held; None where nothing limits it."""
    if run.hold_id is None:
        return None
    return HoldTerms.objects.values_list("held_quantity", flat=True).get(wallet_id=run.wallet_id, hold_id=run.hold_id)


def money_seconds(run: LabRun) -> int | None:
    """How long a live call may last on the money there is: the hold's and what is available beside it. None: no limit. Reads only."""
    hold, use, held = hold_of(run), LiveUse.of(run), held_seconds(run)
    if hold is None or use.meter is None or held is None:
        return None
    wallet = Wallet.objects.select_related("workspace").get(pk=run.wallet_id)
    # As if the hold were not there: what the gate would then allow is what both pay for together. Never saved.
    wallet.held_micros -= hold.amount_micros
    answer = ask_gate(wallet, use.meter, destination=run.number, expected_quantity=None, prices=current_prices())
    return max(held, answer.max_quantity)


def _take(run: LabRun, *, type_: str, event_id: str, quantity: int, happened_at: datetime) -> int | None:
    """Report it as an event of the product's own; the price, or None where it was kept aside."""
    data = UseData(
        quantity=quantity,
        to="" if run.is_inbound else run.number,
        from_=run.number if run.is_inbound else "",
        agent=agent_name(run.agent),
    )
    event = CloudEvent(
        id=event_id,
        source=LAB_SOURCE,
        type=type_,
        specversion="1.0",
        subject=run.wallet.workspace.public_id,
        time=happened_at,
        data=data,
    )
    take_events([made_here(event)], reporter=Reporter())
    key = identity(event.source, event.id)
    return Event.objects.filter(wallet_id=run.wallet_id, key=key).values_list("amount_micros", flat=True).first()
