"""Holds: money set aside before a use starts, then extended, captured or given back; and what holds there are."""

from typing import Annotated
from uuid import UUID

from django.db.models import Q
from ninja import Path, Query, Schema
from pydantic import Field

from usage.api.common import (
    BODY,
    REFUSALS,
    UNITS_MAX,
    Busy,
    MeterIn,
    SubjectIn,
    UseRefused,
    destination_of,
    meter_of,
    own_number_of,
    router,
)
from usage.cloud_events import QUANTITY_MAX
from usage.errors import NotAllowed, Overloaded
from usage.models import HoldTerms, Meter
from usage.queries import holds_out_of_reach
from usage.services.holds import Captured, HeldUse, UseRequest, capture_use, extend_use, hold_for_use
from usage.services.ingestion import Reporter
from wallet.api import wallet_of
from wallet.models import Hold, Wallet
from wallet.services.holds import release_hold
from workspaces.api.authentication import ApiRequest
from workspaces.api.fields import Body, Instant, Limit, Micros, Page, Subject, Text
from workspaces.api.idempotency import once
from workspaces.api.limits import USE
from workspaces.api.operations import operation
from workspaces.api.problems import NotFound
from workspaces.models import Scope

_ONCE = ("idempotency_key_required", "idempotency_conflict")

HoldId = Annotated[UUID, Path(description="The hold's id, as placing it was answered.")]


# ---------------------------------------------------------------- asking
class UseIn(Body):
    """A use that wants to start."""

    subject: SubjectIn
    meter: MeterIn
    destination: Annotated[
        Text,
        Field(
            "", max_length=32, description="The other side's number, E.164; of a call or message in also a name.", examples=["+14155550142"]
        ),
    ]
    expected_quantity: Annotated[
        int | None,
        Field(None, strict=True, gt=0, le=UNITS_MAX, description="In the meter's unit; leave it out for a call of unknown length."),
    ]
    reference: Annotated[Text, Field("", max_length=200, description="The platform's own id for the call or task.", examples=["call-7731"])]
    agent: Annotated[Text, Field("", max_length=100, description="The agent that it runs on, for its budget.")]
    number: Annotated[
        Text, Field("", max_length=32, description="The workspace's number that it runs on, E.164.", examples=["+12125550100"])
    ]


class HoldOut(Schema):
    """The use may start. `hold` is null where it is free: nothing is set aside then."""

    hold: UUID | None
    workspace: str
    meter: str
    amount_micros: Micros
    held_quantity: int = Field(description="How much use the hold pays for, in the meter's unit; extend it to go on.")
    max_quantity: int = Field(description="How much use all available money pays for, within the budget.")
    max_seconds: int | None = Field(description="The same in seconds, for what is counted in seconds.")
    expires_at: Instant | None = Field(description="From here on it cannot be captured, and its money is given back.")
    status: str = Field(description="open, or free where nothing is set aside.", examples=["open"])


@router.post(
    "/holds",
    **operation(Scope.HOLDS_WRITE, {201: HoldOut}, refuses=(*REFUSALS, *_ONCE), policy=USE),
    summary="Place a hold",
)
@once(status=201)
def place_hold(request: ApiRequest, body: UseIn) -> HoldOut:
    """Ask whether a use may start, and set its money aside. 402 says why not, and where to pay."""
    wallet = wallet_of(request, body.subject)
    meter = meter_of(body.meter)
    use = UseRequest(
        meter=meter,
        destination=destination_of(body.destination, meter),
        expected_quantity=body.expected_quantity,
        reference=body.reference,
        agent=body.agent,
        own_number=own_number_of(body.number),
        api_key=request.auth.prefix,
    )
    try:
        return _hold_out(wallet, meter, hold_for_use(wallet.pk, use, idempotency_key=request.effect_id))
    except NotAllowed as error:
        raise UseRefused(error, wallet=wallet) from error


class ExtendIn(Body):
    """How much longer the use goes on."""

    subject: SubjectIn
    by_quantity: Annotated[int, Field(strict=True, gt=0, le=UNITS_MAX, description="In the meter's unit.", examples=[300])]


@router.post(
    "/holds/{hold_id}/extend",
    **operation(Scope.HOLDS_WRITE, {200: HoldOut}, refuses=(*REFUSALS, *_ONCE, "hold_expired", "already_resolved"), policy=USE),
    summary="Extend a hold",
)
@once(status=200)
def extend_hold(request: ApiRequest, hold_id: HoldId, body: ExtendIn) -> HoldOut:
    """Set more aside for a use that goes on. A call gets as much as the money buys: read `held_quantity`."""
    wallet = wallet_of(request, body.subject)
    _own_hold_of(request, wallet, hold_id)
    try:
        held = extend_use(wallet.pk, hold_id, by_quantity=body.by_quantity)
    except NotAllowed as error:
        raise UseRefused(error, wallet=wallet) from error
    assert held.terms is not None, "A hold that was extended has its terms."
    return _hold_out(wallet, held.terms.meter, held)


# ---------------------------------------------------------------- resolving
class CaptureIn(Body):
    """What was used under the hold: the same as reporting an event that names it."""

    subject: SubjectIn
    quantity: Annotated[
        int,
        Field(strict=True, ge=0, le=QUANTITY_MAX, description="In the meter's unit; 0 for a call that was not answered.", examples=[272]),
    ]


class CaptureOut(Schema):
    """The charge; or, with `code` and `detail`, why the use is kept aside until the operator has mended something."""

    hold: UUID
    status: str = Field(description="Of the hold: captured, or expired where its report came late.", examples=["captured"])
    amount_micros: Micros
    billed_quantity: int
    balance_micros: Micros
    code: str | None = Field(None, description="Why it could not be charged, as in the answer to events; else null.")
    detail: str | None = None


@router.post(
    "/holds/{hold_id}/capture",
    **operation(Scope.HOLDS_WRITE, {200: CaptureOut}, refuses=("not_found", *BODY, *_ONCE, "already_resolved", "overloaded"), policy=USE),
    summary="Capture a hold",
)
@once(status=200)
def capture_hold(request: ApiRequest, hold_id: HoldId, body: CaptureIn) -> CaptureOut:
    """Charge what was used, and give the rest of the hold back. Late, after its expiry, the use is charged all the same."""
    wallet = wallet_of(request, body.subject)
    try:
        reporter = Reporter(request.auth.workspace_id, request.auth.prefix)
        captured = capture_use(_own_hold_of(request, wallet, hold_id), quantity=body.quantity, reporter=reporter)
    except Overloaded as error:
        raise Busy from error
    wallet.refresh_from_db()
    return _capture_out(wallet, captured)


class ReleaseIn(Body):
    """Whose hold it is."""

    subject: SubjectIn


class ReleasedOut(Schema):
    """The hold, given back."""

    hold: UUID
    status: str = Field(examples=["released"])


@router.post(
    "/holds/{hold_id}/release",
    **operation(
        Scope.HOLDS_WRITE,
        {200: ReleasedOut},
        refuses=("not_found", *BODY, *_ONCE, "hold_expired", "already_resolved"),
        policy=USE,
    ),
    summary="Release a hold",
)
@once(status=200)
def release(request: ApiRequest, hold_id: HoldId, body: ReleaseIn) -> ReleasedOut:
    """Give the money back: the use did not happen."""
    hold = release_hold(_own_hold_of(request, wallet_of(request, body.subject), hold_id))
    return ReleasedOut(hold=hold.id, status=hold.status)


# ---------------------------------------------------------------- reading
class StandingHoldOut(Schema):
    """A hold as it stands now, whatever became of it."""

    hold: UUID
    meter: str
    destination: str
    agent: str
    number: str
    reference: str = Field(description="The platform's own id for the call or task.")
    amount_micros: Micros
    held_quantity: int
    status: Hold.Status
    captured_micros: Micros
    created_at: Instant
    expires_at: Instant
    resolved_at: Instant | None


class WhoseIn(Schema):
    """Whose hold it is."""

    subject: SubjectIn


@router.get(
    "/holds/{hold_id}",
    **operation(Scope.WALLET_READ, {200: StandingHoldOut}, refuses=("not_found", "invalid"), policy=USE),
    summary="Read a hold",
)
def get_hold(request: ApiRequest, hold_id: HoldId, whose: Query[WhoseIn]) -> StandingHoldOut:
    """What was set aside, for what, and what became of it."""
    return _standing_out([_hold_of(wallet_of(request, whose.subject), hold_id)])[0]


@router.get(
    "/wallets/{subject}/holds",
    **operation(Scope.WALLET_READ, {200: Page[StandingHoldOut]}, refuses=("not_found", "invalid")),
    summary="List open holds",
)
def list_holds(
    request: ApiRequest,
    subject: Subject,
    cursor: Annotated[UUID | None, Query(None, description="`next` of the page before.")],
    limit: Limit,
) -> Page[StandingHoldOut]:
    """The holds that are open now, newest first. The wallet's `held` counts refunds that are under way too, which have none here."""
    wallet = wallet_of(request, subject)
    open_ones = Hold.objects.filter(wallet=wallet, status=Hold.Status.OPEN, purpose=Hold.Purpose.USE)
    holds = open_ones.order_by("-created_at", "-id")
    if cursor is not None:
        # It ended the page before, and may have been resolved meanwhile.
        last = _hold_of(wallet, cursor)
        holds = holds.filter(Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, id__lt=last.id))
    found = list(holds[: limit + 1])
    return Page(data=_standing_out(found[:limit]), next=str(found[limit - 1].id) if len(found) > limit else None)


# ---------------------------------------------------------------- looking up and writing out
def _hold_of(wallet: Wallet, hold_id: UUID) -> Hold:
    """The hold for a use; what is set aside for a refund is the operator's alone."""
    hold = Hold.objects.filter(wallet=wallet, id=hold_id, purpose=Hold.Purpose.USE).first()
    if hold is None:
        raise NotFound
    return hold


def _own_hold_of(request: ApiRequest, wallet: Wallet, hold_id: UUID) -> Hold:
    """The hold, for changing it: a workspace's key reaches those alone that a key of the workspace placed."""
    hold = _hold_of(wallet, hold_id)
    if request.auth.workspace_id is not None and holds_out_of_reach(request.auth.workspace_id, [hold.id]):
        raise NotFound
    return hold


def _hold_out(wallet: Wallet, meter: Meter, held: HeldUse) -> HoldOut:
    return HoldOut(
        hold=held.hold.id if held.hold else None,
        workspace=wallet.workspace.public_id,
        meter=meter.pk,
        amount_micros=held.hold.amount_micros if held.hold else 0,
        held_quantity=held.terms.held_quantity if held.terms else held.max_quantity,
        max_quantity=held.max_quantity,
        max_seconds=held.max_quantity if meter.unit == "second" else None,
        expires_at=held.hold.expires_at if held.hold else None,
        status=held.hold.status if held.hold else "free",
    )


def _capture_out(wallet: Wallet, captured: Captured) -> CaptureOut:
    event, outcome = captured.event, captured.outcome
    return CaptureOut(
        hold=captured.hold.id,
        status=captured.hold.status,
        amount_micros=event.amount_micros if event else 0,
        billed_quantity=event.billed_quantity if event else 0,
        balance_micros=wallet.balance_micros,
        code=outcome.code if event is None and outcome else None,
        detail=outcome.reason if event is None and outcome else None,
    )


def _standing_out(holds: list[Hold]) -> list[StandingHoldOut]:
    """Those of one wallet, in one query, however many there are."""
    found = HoldTerms.objects.filter(wallet_id__in={hold.wallet_id for hold in holds}, hold_id__in=[hold.id for hold in holds])
    terms = {one.hold_id: one for one in found}
    return [_one_standing(hold, terms[hold.id]) for hold in holds]


def _one_standing(hold: Hold, terms: HoldTerms) -> StandingHoldOut:
    return StandingHoldOut(
        hold=hold.id,
        meter=terms.meter_id,
        destination=terms.destination,
        agent=terms.agent,
        number=terms.own_number,
        reference=hold.reference,
        amount_micros=hold.amount_micros,
        held_quantity=terms.held_quantity,
        status=Hold.Status(hold.status),
        captured_micros=hold.captured_micros,
        created_at=hold.created_at,
        expires_at=hold.expires_at,
        resolved_at=hold.resolved_at,
    )
