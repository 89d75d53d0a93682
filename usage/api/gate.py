"""A look at the gate: whether a use could start now, with nothing set aside."""

from typing import Annotated

from ninja import Query, Schema
from pydantic import BeforeValidator, Field

from usage.api.common import UNITS_MAX, MeterIn, SubjectIn, destination_of, meter_of, own_number_of, pay_url, router
from usage.errors import Reason
from usage.services.gate import ask_gate
from usage.services.prices import current_prices
from wallet.api import wallet_of
from workspaces.api.authentication import ApiRequest
from workspaces.api.fields import Instant, Text, ascii_digits
from workspaces.api.limits import USE
from workspaces.api.operations import operation
from workspaces.models import Scope


class GateIn(Schema):
    """What is asked about."""

    subject: SubjectIn
    meter: MeterIn
    destination: Annotated[Text, Field("", max_length=32, description="The other side's number, E.164.", examples=["+14155550142"])]
    # The limits stand next to the type: around what may be None, or a validator, they would be missing from the description.
    expected_quantity: Annotated[
        Annotated[int, Field(gt=0, le=UNITS_MAX), BeforeValidator(ascii_digits)] | None, Field(None, description="In the meter's unit.")
    ]
    agent: Annotated[Text, Field("", max_length=100, description="The agent that it would run on, for its budget.")]
    number: Annotated[Text, Field("", max_length=32, description="The workspace's number that it would run on.")]


class GateOut(Schema):
    """Whether a use could start now. Nothing is set aside: a moment later the answer may be another."""

    allowed: bool
    reason: Reason | None
    max_quantity: int = Field(description="How much use all available money pays for, within the budget; 0 where it may not start.")
    max_seconds: int | None = Field(description="The same in seconds, for what is counted in seconds.")
    grace_until: Instant | None = Field(description="Until when inbound calls go on; null while there is money.")
    pay_url: str | None = Field(description="Where an admin adds balance; null where the use may start.")


@router.get(
    "/gate",
    **operation(Scope.HOLDS_WRITE, {200: GateOut}, refuses=("not_found", "unknown_meter", "invalid"), policy=USE),
    summary="Look at the gate",
)
def look_at_gate(request: ApiRequest, asked: Query[GateIn]) -> GateOut:
    """A cheap look: may this use start, and how long does the money last? To be sure of it, place a hold."""
    wallet = wallet_of(request, asked.subject)
    meter = meter_of(asked.meter)
    answer = ask_gate(
        wallet,
        meter,
        destination=destination_of(asked.destination, meter),
        expected_quantity=asked.expected_quantity,
        scoped={"agent": asked.agent, "own_number": own_number_of(asked.number), "api_key": request.auth.prefix},
        prices=current_prices(),
    )
    return GateOut(
        allowed=answer.allowed,
        reason=answer.reason,
        max_quantity=answer.max_quantity,
        max_seconds=answer.max_quantity if meter.unit == "second" else None,
        grace_until=wallet.grace_until,
        pay_url=None if answer.allowed else pay_url(wallet),
    )
