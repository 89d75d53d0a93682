"""Events: what happened, as it was told (or should have been told) to the webhook address."""

from typing import Any

from stripe_sandbox import listing, params
from stripe_sandbox.transaction import Document, Transaction, public

LIST: dict[str, params.Kind] = {
    "created": params.range_of_times,
    "delivery_success": params.boolean,
    "type": params.text,
    "types": params.list_of(params.text),
    **params.PAGING,
}


def retrieve(tx: Transaction, wish: dict[str, Any], *, event: str) -> Document:
    return public(tx.fetch("event", object_id=event))


def list_(tx: Transaction, wish: dict[str, Any]) -> Document:
    def is_wanted(event: Document) -> bool:
        delivered = event["pending_webhooks"] == 0
        of_type = "types" not in wish or event["type"] in wish["types"]
        return of_type and wish.get("delivery_success", delivered) == delivered

    return listing.page(tx, "event", url="/v1/events", params=wish, equals={"type": wish.get("type")}, keep=is_wanted)
