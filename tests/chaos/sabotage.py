"""What others have shipped, on purpose: each breaks one rule of the product, so that the chaos test can be seen to find it.

`make chaos CHAOS_SABOTAGE=new-key`. Nothing here is loaded unless it is asked for.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4


def send_under_a_new_key() -> None:
    """Each try has an idempotency key of its own, and nobody looks whether the one before came through."""
    from wallet import stripe_gateway
    from wallet.services import top_ups

    charge_card = stripe_gateway.charge_card

    def charge_anew(**wish: Any) -> Any:
        return charge_card(**{**wish, "idempotency_key": f"try-{uuid4()}"})

    vars(stripe_gateway)["charge_card"] = charge_anew
    vars(top_ups)["_payment_at_stripe"] = lambda _: None


def take_silence_for_failure() -> None:
    """A charge without an answer has failed; what was charged is found by nobody, and the next use charges again."""
    from wallet.errors import Decline
    from wallet.services import settlement, top_ups

    def fail(top_up: Any, error: Exception) -> None:
        settlement.fail_top_up(top_up.pk, decline=Decline(code="processing_error", message=str(error)))

    vars(top_ups)["_record_unknown"] = fail


def decide_without_the_lock() -> None:
    """Nothing that is read under the wallet's lock is locked."""
    from django.db.models import QuerySet

    # Unlike a module's, the class's own dictionary is read-only: set as an attribute.
    QuerySet.select_for_update = lambda rows, *_, **__: rows.all()  # type: ignore[method-assign]  # breaking it is the purpose


SABOTAGES: dict[str, Callable[[], None]] = {
    "new-key": send_under_a_new_key,
    "silence-is-failure": take_silence_for_failure,
    "no-locks": decide_without_the_lock,
}
