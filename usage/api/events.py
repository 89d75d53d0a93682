"""Reporting uses: CloudEvents in, 204 where all were charged, else one entry for each that was kept aside."""

from django.http import HttpResponse, JsonResponse
from ninja import Schema
from pydantic import Field

from usage.api.common import Busy, router
from usage.api.event_schema import BINARY_HEADERS, EVENTS_BODY
from usage.cloud_events import NotCloudEvents, parse_request
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


@router.post(
    "/events",
    **operation(
        Scope.EVENTS_WRITE,
        {204: None, 207: NotTakenOut},
        refuses=("not_cloud_events", "too_large", "overloaded"),
        policy=USE,
        requestBody=EVENTS_BODY,
        parameters=BINARY_HEADERS,
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
