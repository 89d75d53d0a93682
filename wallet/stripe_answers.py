"""Reads Stripe's answers, as plain JSON, into our frozen dataclasses. Knows neither the SDK nor the network."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from wallet.declines import DO_NOT_TRY_AGAIN, NEVER_AGAIN_NETWORK_ADVICE
from wallet.errors import Decline
from wallet.money import UnknownCurrency, from_minor
from wallet.stripe_objects import CardDetails, Checkout, DisputeState, IncomingEvent, Movement, Payment, RefundState

Json = Mapping[str, Any]

_METHOD_NAMES = {"us_bank_account": "Bank account", "sepa_debit": "SEPA debit", "ideal": "iDEAL", "p24": "Przelewy24"}


def read_payment(intent: Json) -> Payment:
    """A PaymentIntent, its payment method expanded where the card is wanted."""
    failure = intent["last_payment_error"]
    metadata = intent["metadata"] or {}
    return Payment(
        id=intent["id"],
        status=intent["status"],
        amount_micros=_micros(intent["amount_received" if intent["status"] == "succeeded" else "amount"], intent["currency"]),
        currency=intent["currency"],
        customer_id=_id_of(intent["customer"]),
        livemode=intent["livemode"],
        top_up_id=metadata.get("top_up_id", ""),
        workspace=metadata.get("workspace", ""),
        created_at=_moment(intent["created"]),
        card=_paying_card(intent),
        decline=read_decline(failure) if failure else None,
        other_method=_other_method(intent["payment_method"]),
        origin=metadata.get("origin", ""),
    )


def _other_method(method: "str | Json | None") -> str:
    if not isinstance(method, Mapping) or method["type"] == "card":
        return ""
    name = _METHOD_NAMES.get(method["type"], method["type"].replace("_", " ").capitalize())
    digits = (method.get(method["type"]) or {}).get("last4")
    return f"{name} •••• {digits}" if digits else name


def _paying_card(intent: Json) -> CardDetails | None:
    """The card that paid: kept for later where its holder agreed."""
    method = intent["payment_method"]
    return read_card(method, reusable=intent["setup_future_usage"] == "off_session") if isinstance(method, Mapping) else None


def read_card(method: Json, *, reusable: bool) -> CardDetails | None:
    """The card of a payment method; None for a bank account, Link and all else that is no card."""
    card = method.get("card")
    if card is None:
        return None
    customer_id = _id_of(method["customer"])
    return CardDetails(
        payment_method_id=method["id"],
        brand=card["brand"],
        last_four=card["last4"],
        expiry_month=card["exp_month"],
        expiry_year=card["exp_year"],
        fingerprint=card.get("fingerprint") or "",
        customer_id=customer_id,
        reusable=reusable and bool(customer_id),
    )


def read_checkout(session: Json) -> Checkout:
    """A Checkout session with its intents expanded."""
    intent, setup = session["payment_intent"], session["setup_intent"]
    is_set_up = isinstance(setup, Mapping) and setup["status"] == "succeeded" and isinstance(setup["payment_method"], Mapping)
    return Checkout(
        id=session["id"],
        url=session["url"] or "",
        status=session["status"] or "open",
        paid=session["payment_status"] == "paid",
        attempt_id=(session["metadata"] or {}).get("attempt_id", ""),
        payment=read_payment(intent) if isinstance(intent, Mapping) else None,
        card=read_card(setup["payment_method"], reusable=True) if is_set_up else None,
    )


def read_refund(refund: Json) -> RefundState:
    """A refund as it stands."""
    return RefundState(
        id=refund["id"],
        status=refund["status"] or "pending",
        amount_micros=_micros(refund["amount"], refund["currency"]),
        currency=refund["currency"],
        payment_id=_id_of(refund["payment_intent"]),
        reason=refund["reason"] or "",
        created_at=_moment(refund["created"]),
        request_id=(refund["metadata"] or {}).get("refund_request_id", ""),
    )


def read_dispute(dispute: Json) -> DisputeState:
    """A dispute as it stands. Stripe lists at most one withdrawal and one reinstatement (docs.stripe.com/api/disputes/object)."""
    # Balance transactions may settle in another currency than the dispute's, so only their signs are read.
    moves = [move["amount"] for move in dispute["balance_transactions"]]
    return DisputeState(
        id=dispute["id"],
        status=dispute["status"],
        amount_micros=_micros(dispute["amount"], dispute["currency"]),
        currency=dispute["currency"],
        payment_id=_id_of(dispute["payment_intent"]),
        reason=dispute["reason"],
        is_withdrawn=any(move < 0 for move in moves),
        is_reinstated=any(move > 0 for move in moves),
        created_at=_moment(dispute["created"]),
    )


def read_movement(row: Json) -> Movement:
    """A balance transaction with its source expanded."""
    source = row["source"] if isinstance(row["source"], Mapping) else {}
    kind = source.get("object", "")
    is_of_payment = kind in ("charge", "refund", "dispute")
    sign = -1 if row["amount"] < 0 else 1
    amount_micros = _micros(source["amount"], source["currency"]) if is_of_payment else None
    return Movement(
        id=row["id"],
        type=row["type"],
        source_kind=kind if is_of_payment else "",
        source_id=_id_of(row["source"]),
        payment_id=_id_of(source.get("payment_intent")),
        customer_id=_id_of(source.get("customer")),
        amount_micros=None if amount_micros is None else sign * amount_micros,
        currency=source["currency"] if is_of_payment else row["currency"],
        fee_minor=row["fee"],
        net_minor=row["net"],
        settled_currency=row["currency"],
        created_at=_moment(row["created"]),
    )


def read_decline(details: Json) -> Decline:
    """Why a card was declined, from an error or from what an intent remembers of its last one."""
    return Decline(
        code=details.get("code") or "card_declined",
        decline_code=details.get("decline_code") or "",
        advice_code=_advice(details),
        network_decline_code=details.get("network_decline_code") or "",
        message=details.get("message") or "",
    )


def _advice(details: Json) -> str:
    """Stripe's advice; a network's word that no more is to be tried outweighs it."""
    forbidden = details.get("network_advice_code") in NEVER_AGAIN_NETWORK_ADVICE
    return DO_NOT_TRY_AGAIN if forbidden else details.get("advice_code") or ""


def read_event(payload: Any) -> IncomingEvent:
    """A webhook's decoded body. Raises: ValueError where it is no event."""
    try:
        return IncomingEvent(
            id=payload["id"],
            type=payload["type"],
            object_id=payload["data"]["object"].get("id") or "",
            livemode=payload["livemode"],
            api_version=payload.get("api_version") or "",
            payload=payload,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("The body is no event of Stripe's.") from error


def _micros(amount_minor: int, currency: str) -> int | None:
    try:
        return from_minor(amount_minor, currency=currency)
    except UnknownCurrency:
        return None


def _id_of(reference: "str | Json | None") -> str:
    """The id of a field that may be expanded or not."""
    if reference is None:
        return ""
    return reference if isinstance(reference, str) else str(reference["id"])


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
