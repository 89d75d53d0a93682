"""Reporting uses: CloudEvents in, 204 where all were charged, else one entry for each that was kept aside."""

from typing import Any

from django.http import HttpResponse, JsonResponse
from ninja import Schema
from pydantic import Field

from usage.api.common import Busy, router
from usage.cloud_events import (
    BATCH,
    BATCH_EVENTS_MAX,
    MESSAGE_CHARACTERS_MAX,
    PLAIN_JSON,
    QUANTITY_MAX,
    SINGLE,
    NotCloudEvents,
    parse_request,
)
from usage.errors import Overloaded
from usage.services.ingestion import Outcome, Reporter, Taken, take_events
from workspaces.api.authentication import ApiRequest
from workspaces.api.limits import USE
from workspaces.api.operations import operation
from workspaces.api.problems import ApiError
from workspaces.models import Scope


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


_DATA_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "description": "What was used. How much is said once: by duration_seconds, quantity or text.",
    "properties": {
        "duration_seconds": {"type": "number", "minimum": 0, "maximum": QUANTITY_MAX, "description": "Of a call; a begun second counts."},
        "quantity": {"type": "integer", "minimum": 0, "maximum": QUANTITY_MAX, "description": "In the meter's unit."},
        "text": {"type": "string", "maxLength": MESSAGE_CHARACTERS_MAX, "description": "Of a message: its segments are counted here."},
        "answered": {"type": "boolean", "default": True, "description": "A call that was not answered is free."},
        "to": {"type": "string", "example": "+14155550142", "description": "E.164 with its plus; short numbers as they are dialled."},
        "from": {"type": "string", "example": "+12125550100", "description": "The same; of what comes in it may be a name, or withheld."},
        "agent": {"type": "string", "maxLength": 100},
        "hold": {"type": "string", "format": "uuid", "description": "The hold that the use was started with."},
        "description": {"type": "string", "maxLength": 200, "description": "What the customer reads beside it."},
    },
}
_EVENT_SCHEMA = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "subject"],
    "properties": {
        "specversion": {"type": "string", "const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 200, "description": "With source, the event's identity for ever."},
        "source": {"type": "string", "minLength": 1, "maxLength": 200, "example": "/calls"},
        "type": {"type": "string", "minLength": 1, "maxLength": 200, "description": "The meter.", "example": "call_out"},
        "subject": {"type": "string", "maxLength": 200, "description": "The workspace: its public id, or the platform's own id for it."},
        "time": {
            "type": "string",
            "format": "date-time",
            "description": "When it began; the price in force then is taken. Now where it is left out.",
        },
        "data": _DATA_SCHEMA,
    },
}
_EVENTS_BODY = {
    "required": True,
    "content": {
        SINGLE: {"schema": _EVENT_SCHEMA},
        BATCH: {"schema": {"type": "array", "maxItems": BATCH_EVENTS_MAX, "items": _EVENT_SCHEMA}},
        # Binary mode: the data alone, and the attributes in headers.
        PLAIN_JSON: {"schema": _DATA_SCHEMA},
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
    summary="Report uses",
)
def report_events(request: ApiRequest) -> HttpResponse:
    """Report uses as CloudEvents 1.0: one, a batch, or binary mode. 204 when all are charged, repeats included.

    Send again whatever was not answered: an event's source and id are charged once, for ever. 207 lists events that
    could not be charged; they are kept and replayed once what is wrong is mended.
    """
    try:
        headers = {name.lower(): value for name, value in request.headers.items()}
        parsed = parse_request(request.body, content_type=request.headers.get("Content-Type", ""), headers=headers)
        outcomes = take_events(parsed, reporter=Reporter(request.auth.workspace_id, request.auth.prefix))
    except NotCloudEvents as error:
        raise NotCloudEventsProblem(str(error)) from error
    except Overloaded as error:
        raise Busy from error
    not_charged = [_not_taken(one, parsed[one.index].event_id) for one in outcomes if one.taken is Taken.KEPT_ASIDE]
    return JsonResponse({"not_charged": not_charged}, status=207) if not_charged else HttpResponse(status=204)


def _not_taken(outcome: Outcome, event_id: str | None) -> dict[str, object]:
    return {"index": outcome.index, "id": event_id, "code": outcome.code, "detail": outcome.reason}
