"""The one door to Stripe: our words in, our frozen dataclasses (stripe_answers) and our errors out.

Nothing else imports `stripe`. No function here may be called inside a database transaction, none retries
by itself, and every one that makes something takes the idempotency key under which it may be sent again.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from http import HTTPStatus
from typing import TypeVar

import stripe
from django.conf import settings

from wallet.errors import CardDeclined, GatewayError, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from wallet.money import to_minor
from wallet.stripe_answers import (
    read_card,
    read_checkout,
    read_decline,
    read_dispute,
    read_event,
    read_movement,
    read_payment,
    read_refund,
)
from wallet.stripe_objects import CardDetails, Checkout, DisputeState, IncomingEvent, Movement, Payment, RefundState

API_VERSION = "2026-08-26.dahlia"
"""The version that stripe==15.6.2 speaks; webhooks of another version are refused."""

Item = TypeVar("Item", bound=stripe.StripeObject)

CONNECT_TIMEOUT_SECONDS, ANSWER_TIMEOUT_SECONDS = 3.05, 20.0
SIGNATURE_AGE_SECONDS_MAX = 300  # Stripe's own default tolerance.
SIGNATURE_LEAD_SECONDS_MAX = 60  # The SDK takes any timestamp from the future; we don't.
LIST_PAGE_SIZE, LIST_ITEMS_MAX = 100, 1_000_000
_PAYMENT_PARTS = ["payment_method"]


class BadSignature(Exception):
    """The webhook's signature is missing, wrong, too old or from the future."""


# ---------------------------------------------------------------- customers and cards


def create_customer(*, name: str, workspace: str, idempotency_key: str) -> str:
    """The new customer's id. `workspace` is the workspace's public id. Raises: GatewayError."""
    with _our_errors():
        return _client().v1.customers.create({"name": name, "metadata": {"workspace": workspace}}, _under(idempotency_key)).id


def find_customer(*, workspace: str, since: datetime) -> str | None:
    """The id of a customer with that workspace in its metadata, among all that were made since then. Raises: GatewayError."""
    params: stripe.params.CustomerListParams = {"created": {"gte": int(since.timestamp())}, "limit": LIST_PAGE_SIZE}
    with _our_errors():
        listed = (customer.to_dict() for customer in _all_pages(_client().v1.customers.list(params)))
        return next((str(one["id"]) for one in listed if (one["metadata"] or {}).get("workspace") == workspace), None)


def is_customer_deleted(customer_id: str) -> bool:
    """Whether Stripe says that it was deleted (docs.stripe.com/api/customers/delete). Raises: GatewayError, where it knows none too."""
    with _our_errors():
        return _client().v1.customers.retrieve(customer_id).to_dict().get("deleted") is True


def forget_payer(customer_id: str) -> None:
    """Take the mail address off the customer. Checkout writes the payer's there and shows it, unalterable, to the next one
    (docs.stripe.com/api/checkout/sessions/create#create_checkout_session-customer). Raises: GatewayError.
    """
    with _our_errors():
        _client().v1.customers.update(customer_id, {"email": ""})


def retrieve_card(payment_method_id: str) -> CardDetails | None:
    """The card behind a payment method, or None where it is not a card. Raises: GatewayError."""
    with _our_errors():
        return read_card(_client().v1.payment_methods.retrieve(payment_method_id).to_dict(), reusable=True)


def detach_card(payment_method_id: str) -> None:
    """Make the card unusable for ever; a card that is gone already is fine. Raises: GatewayError."""
    with _our_errors():
        try:
            _client().v1.payment_methods.detach(payment_method_id)
        except stripe.InvalidRequestError as error:
            # Stripe answers 400 for a payment method that is attached to no customer: it is detached, as we want it.
            if error.http_status not in (400, 404):
                raise


# ---------------------------------------------------------------- payments


def charge_card(
    *,
    customer_id: str,
    payment_method_id: str,
    amount_micros: int,
    currency: str,
    description: str,
    metadata: dict[str, str],
    idempotency_key: str,
) -> Payment:
    """Charge a saved card without its holder (off_session). Raises: CardDeclined, GatewayUnavailable, OutcomeUnknown, GatewayRejected."""
    params: stripe.params.PaymentIntentCreateParams = {
        "amount": to_minor(amount_micros, currency=currency),
        "currency": currency,
        "customer": customer_id,
        "payment_method": payment_method_id,
        "off_session": True,
        "confirm": True,
        # Without this Stripe refuses to confirm unless there is an address to return to: some method might redirect.
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "description": description,
        "metadata": metadata,
        "expand": _PAYMENT_PARTS,
    }
    with _our_errors():
        return read_payment(_client().v1.payment_intents.create(params, _under(idempotency_key)).to_dict())


def retrieve_payment(payment_id: str) -> Payment:
    """The payment as it stands. Raises: GatewayError."""
    with _our_errors():
        return read_payment(_client().v1.payment_intents.retrieve(payment_id, {"expand": _PAYMENT_PARTS}).to_dict())


def cancel_payment(payment_id: str) -> Payment:
    """Cancel it, and answer how it stands: it may have succeeded meanwhile. Raises: GatewayError."""
    with _our_errors():
        try:
            return read_payment(_client().v1.payment_intents.cancel(payment_id, {"expand": _PAYMENT_PARTS}).to_dict())
        except stripe.InvalidRequestError as error:
            if error.code != "payment_intent_unexpected_state":
                raise
    return retrieve_payment(payment_id)


def payments_since(moment: datetime, *, customer_id: str = "") -> Iterator[Payment]:
    """Payments made at or after `moment`, newest first; listed, as Stripe's search lags. Raises: GatewayError."""
    params: stripe.params.PaymentIntentListParams = {
        "created": {"gte": int(moment.timestamp())},
        "limit": LIST_PAGE_SIZE,
        "expand": [f"data.{part}" for part in _PAYMENT_PARTS],
    }
    if customer_id:
        params["customer"] = customer_id
    with _our_errors():
        for item in _all_pages(_client().v1.payment_intents.list(params)):
            yield read_payment(item.to_dict())


# ---------------------------------------------------------------- hosted Checkout


def open_payment_checkout(
    *,
    customer_id: str,
    amount_micros: int,
    currency: str,
    product_name: str,
    saves_card: bool,
    metadata: dict[str, str],
    expires_at: datetime,
    success_url: str,
    cancel_url: str,
    idempotency_key: str,
) -> Checkout:
    """A session in which anyone may pay once; `saves_card` keeps the card for later charges. Raises: GatewayError."""
    intent: stripe.params.checkout.SessionCreateParamsPaymentIntentData = {"metadata": metadata, "description": product_name}
    if saves_card:
        intent["setup_future_usage"] = "off_session"
    params: stripe.params.checkout.SessionCreateParams = {
        "mode": "payment",
        "customer": customer_id,
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": currency,
                    "unit_amount": to_minor(amount_micros, currency=currency),
                    "product_data": {"name": product_name},
                },
            }
        ],
        "payment_intent_data": intent,
        "metadata": metadata,
        "expires_at": int(expires_at.timestamp()),
        "success_url": success_url,
        "cancel_url": cancel_url,
        "expand": _CHECKOUT_PARTS,
    }
    return _open_checkout(params, idempotency_key=idempotency_key)


def open_card_checkout(
    *,
    customer_id: str,
    currency: str,
    metadata: dict[str, str],
    expires_at: datetime,
    success_url: str,
    cancel_url: str,
    idempotency_key: str,
) -> Checkout:
    """A session in which a card is connected and nothing is paid. Raises: GatewayError."""
    params: stripe.params.checkout.SessionCreateParams = {
        "mode": "setup",
        "customer": customer_id,
        "currency": currency,
        "setup_intent_data": {"metadata": metadata},
        "metadata": metadata,
        "expires_at": int(expires_at.timestamp()),
        "success_url": success_url,
        "cancel_url": cancel_url,
        "expand": _CHECKOUT_PARTS,
    }
    return _open_checkout(params, idempotency_key=idempotency_key)


def retrieve_checkout(session_id: str) -> Checkout:
    """The session as it stands, with its payment or card. Raises: GatewayError."""
    with _our_errors():
        return read_checkout(_client().v1.checkout.sessions.retrieve(session_id, {"expand": _CHECKOUT_PARTS}).to_dict())


def find_checkout(*, customer_id: str = "", attempt_id: str, since: datetime) -> str | None:
    """The id of the session with that attempt in its metadata, among the customer's, or all, since then. Raises: GatewayError."""
    params: stripe.params.checkout.SessionListParams = {"created": {"gte": int(since.timestamp())}, "limit": LIST_PAGE_SIZE}
    if customer_id:
        params["customer"] = customer_id
    with _our_errors():
        listed = (read_checkout(session.to_dict()) for session in _all_pages(_client().v1.checkout.sessions.list(params)))
        return next((session.id for session in listed if session.attempt_id == attempt_id), None)


def expire_checkout(session_id: str) -> Checkout:
    """End the session, and answer how it stands: it may have been paid meanwhile. Raises: GatewayError."""
    with _our_errors(), contextlib.suppress(stripe.InvalidRequestError):
        # Stripe refuses to expire a session that is complete or expired: retrieving it tells which.
        _client().v1.checkout.sessions.expire(session_id)
    return retrieve_checkout(session_id)


# ---------------------------------------------------------------- refunds and disputes


def create_refund(*, payment_id: str, amount_micros: int, currency: str, metadata: dict[str, str], idempotency_key: str) -> RefundState:
    """Send part or all of a payment back. Raises: GatewayError."""
    params: stripe.params.RefundCreateParams = {
        "payment_intent": payment_id,
        "amount": to_minor(amount_micros, currency=currency),
        "metadata": metadata,
    }
    with _our_errors():
        return read_refund(_client().v1.refunds.create(params, _under(idempotency_key)).to_dict())


def retrieve_refund(refund_id: str) -> RefundState:
    """The refund as it stands. Raises: GatewayError."""
    with _our_errors():
        return read_refund(_client().v1.refunds.retrieve(refund_id).to_dict())


def refunds_since(moment: datetime) -> Iterator[RefundState]:
    """Refunds made at or after `moment`, newest first. Raises: GatewayError."""
    with _our_errors():
        for item in _all_pages(_client().v1.refunds.list({"created": {"gte": int(moment.timestamp())}, "limit": LIST_PAGE_SIZE})):
            yield read_refund(item.to_dict())


def refunds_of_payment(payment_id: str) -> Iterator[RefundState]:
    """Every refund of one payment. Raises: GatewayError."""
    with _our_errors():
        for item in _all_pages(_client().v1.refunds.list({"payment_intent": payment_id, "limit": LIST_PAGE_SIZE})):
            yield read_refund(item.to_dict())


def retrieve_dispute(dispute_id: str) -> DisputeState:
    """The dispute as it stands. Raises: GatewayError."""
    with _our_errors():
        return read_dispute(_client().v1.disputes.retrieve(dispute_id).to_dict())


def disputes_since(moment: datetime) -> Iterator[DisputeState]:
    """Disputes opened at or after `moment`, newest first. Raises: GatewayError."""
    with _our_errors():
        for item in _all_pages(_client().v1.disputes.list({"created": {"gte": int(moment.timestamp())}, "limit": LIST_PAGE_SIZE})):
            yield read_dispute(item.to_dict())


def movements_since(moment: datetime) -> Iterator[Movement]:
    """What changed the operator's balance at Stripe since then, newest first. Raises: GatewayError."""
    params: stripe.params.BalanceTransactionListParams = {
        "created": {"gte": int(moment.timestamp())},
        "limit": LIST_PAGE_SIZE,
        "expand": ["data.source"],
    }
    with _our_errors():
        for item in _all_pages(_client().v1.balance_transactions.list(params)):
            yield read_movement(item.to_dict())


# ---------------------------------------------------------------- webhooks


def verify_webhook(body: bytes, *, signature: str) -> IncomingEvent:
    """The event in a webhook's raw body, once one of our secrets signed it. Raises: BadSignature; ValueError where it is no event."""
    if not signature.isascii():
        # Stripe's own are; the SDK would fail on comparing it.
        raise BadSignature("The signature is not ASCII.")
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            stripe.WebhookSignature.verify_header(body, signature, secret, SIGNATURE_AGE_SECONDS_MAX)
        except (stripe.SignatureVerificationError, UnicodeDecodeError):
            continue
        _refuse_future(signature)
        return read_event(json.loads(body))
    raise BadSignature("No secret of ours signed this.")


def _refuse_future(signature: str) -> None:
    timestamps = [part.removeprefix("t=") for part in signature.split(",") if part.startswith("t=")]
    if int(timestamps[0]) > time.time() + SIGNATURE_LEAD_SECONDS_MAX:
        raise BadSignature("The signature is from the future.")


# ---------------------------------------------------------------- how it is asked

_CHECKOUT_PARTS = ["payment_intent", "payment_intent.payment_method", "setup_intent", "setup_intent.payment_method"]


@cache
def _client() -> stripe.StripeClient:
    return stripe.StripeClient(
        settings.STRIPE_SECRET_KEY,
        stripe_version=API_VERSION,
        base_addresses={"api": settings.STRIPE_API_BASE} if settings.STRIPE_API_BASE else {},
        http_client=stripe.RequestsClient(timeout=(CONNECT_TIMEOUT_SECONDS, ANSWER_TIMEOUT_SECONDS)),
        max_network_retries=0,
    )


def _under(idempotency_key: str) -> stripe.RequestOptions:
    assert 0 < len(idempotency_key) <= 255, "Stripe takes keys of at most 255 characters."
    return {"idempotency_key": idempotency_key}


def _open_checkout(params: stripe.params.checkout.SessionCreateParams, *, idempotency_key: str) -> Checkout:
    with _our_errors():
        return read_checkout(_client().v1.checkout.sessions.create(params, _under(idempotency_key)).to_dict())


def _all_pages(page: "stripe.ListObject[Item]") -> "Iterator[Item]":
    for count, item in enumerate(page.auto_paging_iter()):
        if count >= LIST_ITEMS_MAX:
            raise GatewayRejected(f"More than {LIST_ITEMS_MAX} items; ask for a shorter period.")
        yield item


@contextlib.contextmanager
def _our_errors() -> Iterator[None]:
    """Stripe's errors become ours, once. Source: docs.stripe.com/error-low-level, docs.stripe.com/api/errors."""
    try:
        yield
    except stripe.CardError as error:
        raise _declined(error) from error
    except stripe.StripeError as error:
        raise _in_our_words(error) from error


def _declined(error: stripe.CardError) -> CardDeclined:
    body = error.json_body if isinstance(error.json_body, dict) else {}
    details = body.get("error", {})
    return CardDeclined(read_decline(details), payment_id=(details.get("payment_intent") or {}).get("id", ""))


def _in_our_words(error: stripe.StripeError) -> GatewayError:
    # 409: the first request under this key is still running. The SDK has no class of its own for it.
    if isinstance(error, stripe.RateLimitError) or error.http_status == HTTPStatus.CONFLICT:
        return GatewayUnavailable(str(error))
    if isinstance(error, _REJECTIONS):
        param = error.param if isinstance(error, stripe.InvalidRequestError) else None
        return GatewayRejected(
            str(error),
            key_was_used=isinstance(error, stripe.IdempotencyError),
            param=param or "",
            is_missing=error.code == "resource_missing",
        )
    # Time-outs, resets and 5xx. Under version 1 of the API a saved 500 is replayed for the same key.
    return OutcomeUnknown(str(error), replayed=(error.headers or {}).get("Idempotent-Replayed") == "true")


_REJECTIONS = (stripe.InvalidRequestError, stripe.IdempotencyError, stripe.AuthenticationError, stripe.PermissionError)
