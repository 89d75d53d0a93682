"""What the wallet's part of the API takes and answers. Shapes only; wallet/api.py fills them."""

from typing import Annotated, Literal, Self
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field, JsonValue, WithJsonSchema, model_validator

from wallet.models import AutomaticPayments, Origin, PaymentLink, TopUp
from wallet.money import CURRENCIES
from wallet.queries import WalletStatus
from wallet.services.payment_links import LinkState
from workspaces.api.fields import AmountMicros, Body, Instant, Micros, Text, one_of
from workspaces.models import valid_time_zone


def _time_zone(name: str) -> str:
    try:
        valid_time_zone(name)
    except ValidationError:
        raise ValueError("Use a name of the IANA database, as in Europe/Berlin.") from None
    return name


def _email(address: str) -> str:
    try:
        validate_email(address)
    except ValidationError:
        raise ValueError("Give an e-mail address.") from None
    return address


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError(f"Use one of {', '.join(sorted(CURRENCIES))}.")
    return code


Currency = Annotated[str, AfterValidator(_currency), WithJsonSchema({"type": "string", "enum": sorted(CURRENCIES)})]


class WorkspaceIn(Body):
    """A customer of the platform's, to be made here if it is not here yet."""

    external_id: Text = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[A-Za-z0-9._:@|~+=-]{1,200}$",
        description="The platform's own id for it, for ever. Not beginning with ws_.",
        examples=["customer-1042"],
    )
    name: Text = Field(min_length=1, max_length=100, description="Stands on pages, payment links and receipts.", examples=["Acme, Inc."])
    currency: Currency = Field(description="The wallet's, as ISO 4217 in lower case. Never changes.")
    time_zone: Annotated[Text, AfterValidator(_time_zone)] = Field(
        "UTC", max_length=64, description="Where its days and months begin: a name of the IANA database.", examples=["Europe/Berlin"]
    )
    owner_email: Annotated[Text, AfterValidator(_email)] | None = Field(
        None,
        max_length=254,
        description="Who is to manage it: gets an invitation by e-mail, if nobody is in it yet. Without, this API alone runs it.",
        examples=["owner@acme.example"],
        json_schema_extra={"format": "email"},
    )


class WorkspaceOut(Schema):
    """A workspace: the paying customer of the platform."""

    id: str = Field(description="Its public id; stands in addresses of pages.", examples=["ws_5b0c2f9d41d7a3e86a1f20c4"])
    external_id: str | None = Field(description="The platform's own id for it.", examples=["customer-1042"])
    name: str = Field(examples=["Acme, Inc."])
    currency: str | None = Field(description="Its wallet's; null while it has none.", examples=["usd"])
    time_zone: str = Field(examples=["Europe/Berlin"])
    created_at: Instant


class AutomaticPaymentsOut(Schema):
    """Below the threshold the owner's saved card is charged. Its owner alone sets the rule, on Settings → Billing."""

    active: bool = Field(description="Switched on. The card is charged unless `suspended` says why not.")
    suspended: Annotated[AutomaticPayments.Suspension, one_of(AutomaticPayments.Suspension)] | None = Field(
        description="Why nothing is charged until the owner acts; null while it goes on."
    )
    awaits_confirmation: bool = Field(description="The bank asks the cardholder to confirm a payment; nothing is charged meanwhile.")
    next_try_at: Instant | None = Field(description="Nothing is charged before: a pause after a decline, or a limit that is reached.")
    threshold_micros: int = Field(description="A use that leaves less available than this sets it off.", examples=[10_000_000])
    amount_micros: int | None = Field(description="What is charged; null where there is a target.", examples=[25_000_000])
    target_micros: int | None = Field(description="What the wallet is brought back to, in place of an amount.", examples=[None])
    monthly_cap_micros: int = Field(description="The most in a month of the workspace's zone.", examples=[100_000_000])
    charged_this_month_micros: int = Field(description="What of it was charged, or may be just now.", examples=[25_000_000])


class WalletOut(Schema):
    """A workspace's money, as it is now."""

    workspace: str = Field(description="The workspace's public id.", examples=["ws_5b0c2f9d41d7a3e86a1f20c4"])
    external_id: str | None = Field(description="The platform's own id for the workspace.", examples=["customer-1042"])
    currency: str = Field(description="ISO 4217, lower case.", examples=["usd"])
    balance_micros: Micros
    held_micros: Micros = Field(description="Set aside by open holds, in micros.", examples=[1_500_000])
    available_micros: Micros = Field(
        description="Balance less what is held, in micros: decide on this. Negative after a late charge or a dispute.",
        examples=[18_500_000],
    )
    status: Annotated[WalletStatus, one_of(WalletStatus)] = Field(description="What the status bar of its pages says.")
    depleted_at: Instant | None = Field(description="When nothing was available any more; null while something is.")
    grace_until: Instant | None = Field(description="Until when inbound calls go on after that.")
    automatic_payments: AutomaticPaymentsOut | None = Field(description="Null where they were never switched on.")


class TransactionOut(Schema):
    """One row of the wallet's history. It never changes; corrections are new rows."""

    seq: int = Field(description="1, 2, 3 … in each wallet, without a hole.", examples=[1042])
    kind: str = Field(description="What it is, as in top_up or call_outbound.", examples=["top_up"])
    change_micros: int = Field(description="What it did to the balance, in micros: negative when money was spent.", examples=[20_000_000])
    balance_after_micros: Micros = Field(description="The balance after this row, in micros.", examples=[20_000_000])
    description: str = Field(description="What the customer reads.", examples=["Top-up · Visa •••• 4242"])
    reference: str = Field(description="The id of what is behind it: a top-up, an event, a refund.", examples=["evt-7731"])
    happened_at: Instant = Field(description="When it happened in the world.")
    posted_at: Instant = Field(description="When it was booked; never falls as seq rises.")


_WHAT_GOES_TOGETHER: list[JsonValue] = [
    {"properties": {"purpose": {"const": "pay"}, "amount_micros": {"type": "integer"}}, "required": ["amount_micros"]},
    {"properties": {"purpose": {"const": "connect_card"}, "amount_micros": {"type": "null"}}},
]


class LinkIn(Body):
    """A payment link to make."""

    model_config = ConfigDict(json_schema_extra={"oneOf": _WHAT_GOES_TOGETHER})

    purpose: Literal["pay", "connect_card"] = Field(description="`pay` an amount, or `connect_card` for automatic payments.")
    amount_micros: AmountMicros | None = Field(
        None,
        description="What is to be paid, in micros, as a JSON integer: $20 is 20000000. Required to pay; left out to connect a card.",
        examples=[20_000_000],
    )

    @model_validator(mode="after")
    def _amount_fits_purpose(self) -> Self:
        if (self.purpose == "pay") != (self.amount_micros is not None):
            raise ValueError("Give amount_micros with the purpose pay, and leave it out with connect_card.")
        return self


class LinkOut(Schema):
    """A public page where whoever holds its address pays, or connects a card. It works once."""

    id: UUID
    purpose: Annotated[PaymentLink.Purpose, one_of(PaymentLink.Purpose)]
    amount_micros: int | None = Field(
        description="What is to be paid, in micros; null where a card is to be connected.", examples=[20_000_000]
    )
    currency: str = Field(examples=["usd"])
    state: Annotated[LinkState, one_of(LinkState)] = Field(description="Whether it can be used now.")
    url: str | None = Field(
        description="To send to whoever pays; a QR code of it works too. Null once the link cannot be used any more.",
        examples=["https://billing.example.com/pay/…"],
    )
    top_up: UUID | None = Field(description="The top-up that paid it, or the latest attempt.")
    created_at: Instant
    expires_at: Instant
    used_at: Instant | None = Field(description="When it was paid, or the card was connected.")


class TopUpOut(Schema):
    """One attempt to bring money in."""

    id: UUID
    origin: Annotated[Origin, one_of(Origin)] = Field(description="Who asked for the money.")
    amount_micros: Micros
    currency: str = Field(examples=["usd"])
    status: Annotated[TopUp.Status, one_of(TopUp.Status)] = Field(
        description="succeeded, failed, canceled and expired are final; any other may still bring money."
    )
    payment_link: UUID | None = Field(description="The link it was paid by.")
    receipt_number: str | None = Field(description="Given when the money was credited.", examples=["R-000042"])
    paid_with: str = Field(description="As on the receipt; empty until then.", examples=["Visa •••• 4242"])
    decline_code: str = Field(description="Why the card was declined, in Stripe's words; empty otherwise.", examples=[""])
    created_at: Instant
    resolved_at: Instant | None = Field(description="When it became final.")
