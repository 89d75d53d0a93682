"""The platform's API for uses: report them, ask before they start, set their money aside. Parses and answers, nothing else."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.urls import reverse
from ninja import Query, Schema
from pydantic import Field

from usage.api_problems import USAGE_CODES
from usage.cloud_events import BATCH, PLAIN_JSON, SINGLE, NotCloudEvents, parse_request
from usage.errors import NotAllowed, Overloaded, Reason, UnknownMeter
from usage.models import Meter
from usage.services.gate import ask_gate
from usage.services.holds import HeldUse, UseRequest, capture_use, extend_use, hold_for_use
from usage.services.ingestion import Outcome, Reporter, Taken, take_events
from usage.services.prices import current_prices
from wallet.api import wallet_of
from wallet.models import Hold, Wallet
from wallet.services.holds import release_hold
from workspaces.api.authentication import ApiRequest
from workspaces.api.fields import Body, Instant, Micros, Text
from workspaces.api.idempotency import once
from workspaces.api.limits import USE
from workspaces.api.operations import ApiRouter, operation
from workspaces.api.problems import ApiError, NotFound, TooLarge, Unavailable, add_codes
from workspaces.models import Scope

EVENTS_BYTES_MAX = 5 * 1024 * 1024
RETRY_AFTER_SECONDS = 2

add_codes(USAGE_CODES)

router = ApiRouter(tags=["Uses"])


# ---------------------------------------------------------------- reporting
class NotTaken(Schema):
    """An event that could not be charged. It is kept: the operator mends and replays it, so it need not be sent again."""

    index: int = Field(description="Its place in the request, from 0.")
    id: str | None = Field(description="The event's own id, where it has one.")
    code: str = Field(description="Stable; for programs.", examples=["unknown_meter"])
    detail: str = Field(description="What is wrong, and what to do.")


class NotTakenOut(Schema):
    """The events of a request that could not be charged; all others were, or had been before."""

    not_charged: list[NotTaken]


class NotCloudEventsProblem(ApiError):
    """The request is no CloudEvent at all."""

    code = "not_cloud_events"


_EVENT_SCHEMA = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "subject"],
    "properties": {
        "specversion": {"type": "string", "const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 200, "description": "With source, the event's identity for ever."},
        "source": {"type": "string", "minLength": 1, "maxLength": 200, "example": "/calls"},
        "type": {"type": "string", "description": "The meter.", "example": "call_out"},
        "subject": {"type": "string", "description": "The workspace: its public id, or the platform's own id for it."},
        "time": {"type": "string", "format": "date-time", "description": "When it happened; the price in force then is taken."},
        "data": {
            "type": "object",
            "properties": {
                "duration_seconds": {"type": "number", "minimum": 0, "description": "Of a call; a begun second counts."},
                "quantity": {"type": "integer", "minimum": 0, "description": "In the meter's unit."},
                "text": {"type": "string", "description": "Of a message: its segments are counted here."},
                "answered": {"type": "boolean", "default": True, "description": "A call that was not answered is free."},
                "to": {"type": "string", "example": "+14155550142"},
                "from": {"type": "string", "example": "+12125550100"},
                "agent": {"type": "string", "maxLength": 100},
                "hold": {"type": "string", "format": "uuid", "description": "The hold that the use was started with."},
                "description": {"type": "string", "maxLength": 200},
            },
        },
    },
}
_EVENTS_BODY = {
    "required": True,
    "content": {
        SINGLE: {"schema": _EVENT_SCHEMA},
        BATCH: {"schema": {"type": "array", "items": _EVENT_SCHEMA}},
        PLAIN_JSON: {"schema": _EVENT_SCHEMA["properties"]["data"]},  # type: ignore[index]  # a literal, seen as object
    },
}


@router.post(
    "/events",
    **operation(
        Scope.EVENTS_WRITE,
        {204: None, 207: NotTakenOut},
        refuses=("not_cloud_events", "too_large", "overloaded"),
        policy=USE,
        requestBody=_EVENTS_BODY,
    ),
)
def report_events(request: ApiRequest) -> HttpResponse:
    """Report uses as CloudEvents 1.0: one, a batch, or binary mode. 204 when all are charged, repeats included.

    Send again whatever was not answered: an event's source and id are charged once, for ever. 207 lists events that
    could not be charged; they are kept and replayed once what is wrong is mended.
    """
    if int(request.headers.get("Content-Length") or 0) > EVENTS_BYTES_MAX:
        raise TooLarge(f"Send at most {EVENTS_BYTES_MAX} bytes at once.")
    try:
        headers = {name.lower(): value for name, value in request.headers.items()}
        parsed = parse_request(request.body, content_type=request.headers.get("Content-Type", ""), headers=headers)
        outcomes = take_events(parsed, reporter=Reporter(request.auth.workspace_id, request.auth.prefix))
    except NotCloudEvents as error:
        raise NotCloudEventsProblem(str(error)) from error
    except Overloaded as error:
        raise Unavailable(retry_after_seconds=RETRY_AFTER_SECONDS) from error
    not_charged = [_not_taken(one, parsed[one.index].event_id) for one in outcomes if one.taken is Taken.KEPT_ASIDE]
    return JsonResponse({"not_charged": not_charged}, status=207) if not_charged else HttpResponse(status=204)


def _not_taken(outcome: Outcome, event_id: str | None) -> dict[str, object]:
    return {"index": outcome.index, "id": event_id, "code": outcome.code, "detail": outcome.reason}


# ---------------------------------------------------------------- asking
class UseIn(Body):
    """A use that wants to start."""

    subject: Annotated[Text, Field(max_length=200, description="The workspace: its public id, or the platform's own id for it.")]
    meter: Annotated[Text, Field(max_length=64, examples=["call_out"])]
    destination: Annotated[
        Text,
        Field("", max_length=32, pattern=r"^(\+?[0-9]{2,20})?$", description="The other side's number, E.164.", examples=["+14155550142"]),
    ]
    expected_quantity: Annotated[
        int | None, Field(None, strict=True, gt=0, le=10**9, description="In the meter's unit; leave it out for a call of unknown length.")
    ]
    reference: Annotated[Text, Field("", max_length=200, description="The platform's own id for the call or task.")]
    agent: Annotated[Text, Field("", max_length=100)]
    number: Annotated[Text, Field("", max_length=32, description="The workspace's number that the use runs on, E.164.")]


class HoldOut(Schema):
    """The use may start. `hold` is null where it is free: nothing is set aside then."""

    hold: UUID | None
    workspace: str
    meter: str
    amount_micros: Micros
    held_quantity: int = Field(description="How much use the hold pays for, in the meter's unit; extend it to go on.")
    max_quantity: int = Field(description="How much use all available money pays for.")
    max_seconds: int | None = Field(description="The same in seconds, for calls.")
    expires_at: Instant | None
    status: str


class UseRefused(ApiError):
    """The gate's no to a use; its code is the reason."""

    def __init__(self, refusal: NotAllowed, *, wallet: Wallet) -> None:
        self.code = refusal.reason.value  # type: ignore[misc]  # each instance has the code of its reason
        super().__init__(str(refusal), **_refusal_facts(refusal.reason, wallet, grace_until=refusal.grace_until))


def _refusal_facts(reason: Reason | None, wallet: Wallet, *, grace_until: datetime | None) -> dict[str, Any]:
    return {
        "reason": reason.value if reason else None,
        "grace_until": grace_until.isoformat() if grace_until else None,
        "max_seconds": 0,
        "pay_url": settings.SITE_URL + reverse("billing:add_balance", args=[wallet.workspace.public_id]),
    }


_REFUSALS = (
    *(reason.value for reason in Reason),
    "not_found",
    "unknown_meter",
    "invalid",
    "malformed",
    "unsupported_media_type",
    "too_large",
)
_ONCE = ("idempotency_key_required", "idempotency_conflict")


@router.post("/holds", **operation(Scope.HOLDS_WRITE, {201: HoldOut}, refuses=(*_REFUSALS, *_ONCE), policy=USE))
@once(status=201)
def place_hold(request: ApiRequest, body: UseIn) -> HoldOut:
    """Ask whether a use may start, and set its money aside. 402 says why not, and where to pay."""
    wallet = wallet_of(request, body.subject)
    use = UseRequest(
        meter=_meter(body.meter),
        destination=body.destination,
        expected_quantity=body.expected_quantity,
        reference=body.reference,
        agent=body.agent,
        own_number=body.number,
        api_key=request.auth.prefix,
    )
    try:
        return _hold_out(wallet, use.meter, hold_for_use(wallet.pk, use, idempotency_key=request.effect_id))
    except NotAllowed as error:
        raise UseRefused(error, wallet=wallet) from error


class ExtendIn(Body):
    """How much longer the use goes on."""

    subject: Annotated[Text, Field(max_length=200)]
    by_quantity: Annotated[int, Field(strict=True, gt=0, le=10**9, description="In the meter's unit.")]


@router.post(
    "/holds/{hold_id}/extend",
    **operation(Scope.HOLDS_WRITE, {200: HoldOut}, refuses=(*_REFUSALS, *_ONCE, "hold_expired", "already_resolved"), policy=USE),
)
@once(status=200)
def extend_hold(request: ApiRequest, hold_id: UUID, body: ExtendIn) -> HoldOut:
    """Set more aside for a use that goes on. A call gets as much as the money buys: read `held_quantity`."""
    wallet = wallet_of(request, body.subject)
    _hold_of(wallet, hold_id)
    try:
        held = extend_use(wallet.pk, hold_id, by_quantity=body.by_quantity)
    except NotAllowed as error:
        raise UseRefused(error, wallet=wallet) from error
    assert held.terms is not None, "A hold that was extended has its terms."
    return _hold_out(wallet, held.terms.meter, held)


class CaptureIn(Body):
    """What was used under the hold: the same as reporting an event that names it."""

    subject: Annotated[Text, Field(max_length=200)]
    quantity: Annotated[int, Field(strict=True, ge=0, le=10**12, description="In the meter's unit; 0 for a call that was not answered.")]


class CaptureOut(Schema):
    """The charge."""

    hold: UUID
    status: str
    amount_micros: Micros
    billed_quantity: int
    balance_micros: Micros


@router.post(
    "/holds/{hold_id}/capture",
    **operation(Scope.HOLDS_WRITE, {200: CaptureOut}, refuses=(*_REFUSALS, *_ONCE, "already_resolved"), policy=USE),
)
@once(status=200)
def capture_hold(request: ApiRequest, hold_id: UUID, body: CaptureIn) -> CaptureOut:
    """Charge what was used, and give the rest of the hold back. Late, after its expiry, the use is charged all the same."""
    wallet = wallet_of(request, body.subject)
    hold = _hold_of(wallet, hold_id)
    event = capture_use(hold, quantity=body.quantity, reporter=Reporter(request.auth.workspace_id, request.auth.prefix))
    hold.refresh_from_db()
    wallet.refresh_from_db()
    return CaptureOut(
        hold=hold.id,
        status=hold.status,
        amount_micros=event.amount_micros,
        billed_quantity=event.billed_quantity,
        balance_micros=wallet.balance_micros,
    )


class ReleaseIn(Body):
    """Whose hold it is."""

    subject: Annotated[Text, Field(max_length=200)]


class ReleasedOut(Schema):
    """The hold, given back."""

    hold: UUID
    status: str


@router.post(
    "/holds/{hold_id}/release",
    **operation(
        Scope.HOLDS_WRITE,
        {200: ReleasedOut},
        refuses=("not_found", "invalid", "malformed", "hold_expired", "already_resolved", *_ONCE),
        policy=USE,
    ),
)
@once(status=200)
def release(request: ApiRequest, hold_id: UUID, body: ReleaseIn) -> ReleasedOut:
    """Give the money back: the use did not happen."""
    hold = release_hold(_hold_of(wallet_of(request, body.subject), hold_id))
    return ReleasedOut(hold=hold.id, status=hold.status)


class GateOut(Schema):
    """Whether a use could start now. Nothing is set aside: a moment later the answer may be another."""

    allowed: bool
    reason: Reason | None
    max_quantity: int
    max_seconds: int | None
    grace_until: Instant | None
    pay_url: str | None


class GateIn(Schema):
    """What is asked about."""

    subject: Annotated[Text, Field(max_length=200)]
    meter: Annotated[Text, Field(max_length=64)]
    destination: Annotated[Text, Field("", max_length=32, pattern=r"^(\+?[0-9]{2,20})?$")]
    expected_quantity: Annotated[int | None, Field(None, gt=0, le=10**9)]


@router.get("/gate", **operation(Scope.HOLDS_WRITE, {200: GateOut}, refuses=("not_found", "unknown_meter", "invalid"), policy=USE))
def look_at_gate(request: ApiRequest, asked: Query[GateIn]) -> GateOut:
    """A cheap look: may this use start, and how long does the money last? To be sure of it, place a hold."""
    wallet = wallet_of(request, asked.subject)
    meter = _meter(asked.meter)
    answer = ask_gate(wallet, meter, destination=asked.destination, expected_quantity=asked.expected_quantity, prices=current_prices())
    return GateOut(
        allowed=answer.allowed,
        reason=answer.reason,
        max_quantity=answer.max_quantity,
        max_seconds=answer.max_quantity if meter.unit == "second" else None,
        grace_until=wallet.grace_until,
        pay_url=None if answer.allowed else settings.SITE_URL + reverse("billing:add_balance", args=[wallet.workspace.public_id]),
    )


def _meter(key: str) -> Meter:
    meter = current_prices().meter(key)
    if meter is None:
        raise UnknownMeter(key)
    return meter


def _hold_of(wallet: Wallet, hold_id: UUID) -> Hold:
    hold = Hold.objects.filter(wallet=wallet, id=hold_id).first()
    if hold is None:
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
