"""What tests send to the wallet's API: bodies that are right, to be made wrong by the test."""

from typing import Any

from wallet.tests.builders import DOLLAR

PAY_20 = {"purpose": "pay", "amount_micros": 20 * DOLLAR}


def new_workspace(**changes: Any) -> dict[str, Any]:
    return {"external_id": "customer-1042", "name": "Acme, Inc.", "currency": "usd", "time_zone": "Europe/Berlin"} | changes
