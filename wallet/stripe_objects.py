"""What Stripe answers, in our words: frozen, without a line of Stripe's library. stripe_answers makes them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wallet.errors import Decline


@dataclass(frozen=True)
class CardDetails:
    """A card as Stripe tells it. `reusable` where its holder agreed to later charges."""

    payment_method_id: str
    brand: str
    last_four: str
    expiry_month: int
    expiry_year: int
    fingerprint: str
    customer_id: str
    reusable: bool


@dataclass(frozen=True)
class Payment:
    """A PaymentIntent: `amount_micros` is None in a currency that no wallet has.

    `top_up_id` and `workspace` come from its metadata, and are empty where it is not ours. `other_method` names what
    paid where it was no card: Bank account •••• 6789.
    """

    id: str
    status: str
    amount_micros: int | None
    currency: str
    customer_id: str
    livemode: bool
    top_up_id: str
    workspace: str
    created_at: datetime
    card: CardDetails | None
    decline: Decline | None
    other_method: str = ""

    @property
    def succeeded(self) -> bool:
        return self.status == "succeeded"


@dataclass(frozen=True)
class Checkout:
    """A Checkout session: `status` is open, complete or expired; `paid` only where Stripe has the money."""

    id: str
    url: str
    status: str
    paid: bool
    attempt_id: str
    payment: Payment | None
    card: CardDetails | None


@dataclass(frozen=True)
class RefundState:
    """A refund as it stands at Stripe."""

    id: str
    status: str
    amount_micros: int | None
    currency: str
    payment_id: str
    reason: str
    created_at: datetime


@dataclass(frozen=True)
class DisputeState:
    """A dispute as it stands at Stripe: whether its amount was taken from us so far, and given back, fees not counted.

    `amount_micros` is None in a currency that no wallet has.
    """

    id: str
    status: str
    amount_micros: int | None
    currency: str
    payment_id: str
    reason: str
    is_withdrawn: bool
    is_reinstated: bool
    created_at: datetime


@dataclass(frozen=True)
class IncomingEvent:
    """A webhook whose signature was verified."""

    id: str
    type: str
    object_id: str
    livemode: bool
    api_version: str
    payload: dict[str, Any]
