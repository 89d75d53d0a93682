"""What the operations of usage share: the router, the gate's no as a problem, numbers and meters as they are sent."""

from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.urls import reverse
from pydantic import Field

from usage.api_problems import USAGE_CODES
from usage.errors import NotAllowed, Reason, UnknownMeter
from usage.models import Meter
from usage.services.measuring import BadUse, number_or_name, outside_number
from usage.services.prices import current_prices
from wallet.models import Wallet
from workspaces.api.fields import Text
from workspaces.api.operations import ApiRouter
from workspaces.api.problems import ApiError, Invalid, add_codes

RETRY_AFTER_SECONDS = 2
UNITS_MAX = 10**9
BODY = ("malformed", "unsupported_media_type", "too_large", "invalid")
REFUSALS = (*(reason.value for reason in Reason), "not_found", "unknown_meter", *BODY)

add_codes(USAGE_CODES)

router = ApiRouter(tags=["Uses"])

SubjectIn = Annotated[
    Text,
    Field(
        max_length=200,
        description="The workspace: its public id, or the platform's own id for it.",
        examples=["customer-1042"],
    ),
]
MeterIn = Annotated[Text, Field(max_length=64, description="What is to be used.", examples=["call_out"])]


class Busy(ApiError):
    """Deadlocks or lock time-outs: nothing was done, and sending it again is safe."""

    code = "overloaded"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


class UseRefused(ApiError):
    """The gate's no to a use; its code is the reason."""

    def __init__(self, refusal: NotAllowed, *, wallet: Wallet) -> None:
        self.code = refusal.reason.value  # type: ignore[misc]  # each instance has the code of its reason
        super().__init__(str(refusal), **_facts(refusal.reason, wallet, grace_until=refusal.grace_until))


def _facts(reason: Reason, wallet: Wallet, *, grace_until: datetime | None) -> dict[str, Any]:
    return {
        "reason": reason.value,
        "grace_until": grace_until.isoformat() if grace_until else None,
        "max_seconds": 0,
        "pay_url": pay_url(wallet),
    }


def pay_url(wallet: Wallet) -> str:
    """Where an admin of the workspace adds balance."""
    return settings.SITE_URL + reverse("billing:add_balance", args=[wallet.workspace.public_id])


def meter_of(key: str) -> Meter:
    """The meter. Raises: UnknownMeter."""
    meter = current_prices().meter(key)
    if meter is None:
        raise UnknownMeter(key)
    return meter


def destination_of(text: str, meter: Meter) -> str:
    """The other side's number as events have it. Raises: Invalid."""
    return _number(text, member="destination", may_be_name=meter.use.is_inbound)


def own_number_of(text: str) -> str:
    """The workspace's own number as events have it. Raises: Invalid."""
    return _number(text, member="number", may_be_name=True)


def _number(text: str, *, member: str, may_be_name: bool) -> str:
    try:
        return number_or_name(text) if may_be_name else outside_number(text)
    except BadUse as error:
        raise Invalid(f"{member}: {error}", errors=[{"detail": str(error), "pointer": f"#/{member}"}]) from None
