"""Automatic payments in each state that there is to see, for pages that have to be looked at."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from tests.flows.conftest import Northside
from wallet.automatic_rule import Terms
from wallet.models import AutomaticPayments, Card, ChargingSwitch, Origin, PaymentLink, TopUp
from wallet.services.automatic_payments import switch_off, switch_on
from wallet.services.payment_links import request_payment_link
from wallet.tests.builders import DOLLAR

TERMS = Terms(threshold_micros=10 * DOLLAR, amount_micros=25 * DOLLAR, monthly_cap_micros=100 * DOLLAR)


def states(northside: Northside, card: Card) -> dict[str, Callable[[], object]]:
    """What brings the wallet into each state, by name; each begins with a rule that is active and has charged once."""
    return {
        "off": lambda: switch_off(northside.wallet),
        "active": lambda: None,
        "charging": lambda: _charge(northside, card, status="sending"),
        "in review": lambda: _charge(northside, card, status="manual_review"),
        "declined": lambda: _fail(northside, card, failures=1, next_try_at=timezone.now() + timedelta(hours=1)),
        "suspended": lambda: _fail(northside, card, suspended_at=timezone.now(), suspension="card_refused"),
        "to confirm": lambda: _set(northside, confirmation_link=_link(northside), next_try_at=timezone.now() + timedelta(days=1)),
        "capped": lambda: _set(northside, monthly_cap_micros=25 * DOLLAR),
        "on hold": lambda: ChargingSwitch.objects.update_or_create(id=1, defaults={"paused_at": timezone.now(), "reason": "a test"}),
    }


def put_into(northside: Northside, card: Card, name: str) -> None:
    """From whatever it was in before."""
    ChargingSwitch.objects.all().delete()
    TopUp.objects.filter(wallet=northside.wallet, origin=Origin.AUTOMATIC).delete()
    AutomaticPayments.objects.filter(wallet=northside.wallet).delete()
    PaymentLink.objects.filter(wallet=northside.wallet, request_id__startswith="confirm:").delete()
    Card.objects.filter(pk=card.pk).update(refused_at=None)
    switch_on(northside.wallet, terms=TERMS, card=card, consent_text="Charge my card.", consented_by=northside.alice)
    _charge(northside, card, status="succeeded")
    states(northside, card)[name]()


def _set(northside: Northside, **fields: object) -> None:
    AutomaticPayments.objects.filter(wallet=northside.wallet).update(**fields)


def _charge(northside: Northside, card: Card, *, status: str) -> TopUp:
    now = timezone.now()
    is_over = status in ("succeeded", "failed")
    return TopUp.objects.create(
        wallet=northside.wallet,
        origin=Origin.AUTOMATIC,
        amount_micros=25 * DOLLAR,
        card=card,
        request_id=f"automatic:{now.isoformat()}",
        status=status,
        decline_code="insufficient_funds" if status == "failed" else "",
        resolved_at=now if is_over else None,
        receipt_number=f"W-{now:%f}" if status == "succeeded" else None,
        created_at=now,
    )


def _fail(northside: Northside, card: Card, **fields: object) -> None:
    _charge(northside, card, status="failed")
    if "suspension" in fields:
        Card.objects.filter(pk=card.pk).update(refused_at=timezone.now())
    _set(northside, **fields)


def _link(northside: Northside) -> PaymentLink:
    return request_payment_link(
        northside.wallet,
        purpose=PaymentLink.Purpose.PAY,
        amount_micros=25 * DOLLAR,
        request_id=f"confirm:{timezone.now().isoformat()}",
        requested_by=northside.alice,
        lifetime=timedelta(hours=24),
    )
