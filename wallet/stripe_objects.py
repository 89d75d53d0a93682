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

    `top_up_id`, `workspace` and `origin` come from its metadata, and are empty where it is not ours. `other_method` names what
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
    origin: str = ""

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
    """A refund as it stands at Stripe. `request_id` comes from its metadata, and is empty where nobody asked for it here."""

    id: str
    status: str
    amount_micros: int | None
    currency: str
    payment_id: str
    reason: str
    created_at: datetime
    request_id: str = ""


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
class Movement:
    """A balance transaction: what one movement did to the operator's balance at Stripe, and what Stripe took for it.

    `amount_micros` is its source's, in the source's currency, negative where it left; None in a currency that no wallet
    has. The fee is in the currency in which Stripe pays out, in that currency's smallest unit. `source_kind` is charge,
    refund or dispute, and empty for what concerns no payment (payouts, Stripe's own bills).
    """

    id: str
    type: str
    source_kind: str
    source_id: str
    payment_id: str
    customer_id: str
    amount_micros: int | None
    currency: str
    fee_minor: int
    net_minor: int
    settled_currency: str
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
