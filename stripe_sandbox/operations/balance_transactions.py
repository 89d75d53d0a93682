"""Balance transactions: what each movement did to the merchant's balance, and what Stripe took for it."""

from typing import Any

from stripe_sandbox import listing, params
from stripe_sandbox.currencies import ZERO_DECIMAL
from stripe_sandbox.transaction import Document, Transaction, new_id, public

LIST: dict[str, params.Kind] = {
    "created": params.range_of_times,
    "currency": params.currency,
    "source": params.text,
    "type": params.text,
    "payout": params.text,
    **params.PAGING,
}
FEE_PER_THOUSAND = 29
FEE_FIXED_CENTS = 30
DISPUTE_FEE_CENTS = 1500
AVAILABLE_SECONDS = 2 * 24 * 3600


def processing_fee(amount: int, *, currency: str) -> int:
    """2.9 % and 30 cents, half a unit rounded up."""
    fixed = 0 if currency in ZERO_DECIMAL else FEE_FIXED_CENTS
    return (amount * FEE_PER_THOUSAND + 500) // 1000 + fixed


def record(
    tx: Transaction,
    *,
    source: Document,
    amount: int,
    reporting_type: str,
    category: str,
    description: str | None,
    fee: int = 0,
    fee_name: str = "",
) -> Document:
    """One row; `amount` is signed, and `fee` leaves the balance besides."""
    details = [{"amount": fee, "application": None, "currency": source["currency"], "description": fee_name, "type": "stripe_fee"}]
    return tx.save(
        {
            "id": new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": tx.now + AVAILABLE_SECONDS,
            "balance_type": "payments",
            "created": tx.now,
            "currency": source["currency"],
            "description": description,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": details if fee else [],
            "net": amount - fee,
            "reporting_category": category,
            "source": source["id"],
            "status": "pending",
            "type": reporting_type,
        }
    )


def retrieve(tx: Transaction, wish: dict[str, Any], *, balance_transaction: str) -> Document:
    return public(tx.fetch("balance_transaction", object_id=balance_transaction))


def list_(tx: Transaction, wish: dict[str, Any]) -> Document:
    equals = {name: wish.get(name) for name in ("currency", "source", "type", "payout")}
    return listing.page(tx, "balance_transaction", url="/v1/balance_transactions", params=wish, equals=equals)
