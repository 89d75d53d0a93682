"""Automatic payments in each state that there is to see, for pages that have to be looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from wallet.automatic_rule import Terms
from wallet.ledger import post
from wallet.models import AutomaticPayments, Card, ChargingSwitch, Dispute, Origin, PaymentLink, TopUp, Wallet
from wallet.services.automatic_payments import switch_off, switch_on
from wallet.services.payment_links import request_payment_link
from wallet.tests.builders import DOLLAR, adjustment
from workspaces.models import User

TERMS = Terms(threshold_micros=10 * DOLLAR, amount_micros=25 * DOLLAR, monthly_cap_micros=100 * DOLLAR)


@dataclass
class Stage:
    """A wallet with a card and money, and its owner. `clear` at the end: the payments are made up, which the books would tell."""

    wallet: Wallet
    owner: User
    card: Card

    def __post_init__(self) -> None:
        post(self.wallet.pk, [adjustment(40 * DOLLAR)])

    def put_into(self, name: str) -> None:
        """From whatever it was in before; each begins with a rule that is active and has charged once."""
        self.clear()
        switch_on(self.wallet, terms=TERMS, card=self.card, consent_text="Charge my card.", consented_by=self.owner)
        paid = self.charge("succeeded")
        self.states(paid)[name]()

    def states(self, paid: TopUp) -> dict[str, Callable[[], object]]:
        """What brings it into each, by name."""
        now = timezone.now()
        return {
            "off": lambda: switch_off(self.wallet),
            "active": lambda: None,
            "charging": lambda: self.charge("sending"),
            "in review": lambda: self.charge("manual_review"),
            "declined": lambda: self._fail(failures=1, next_try_at=now + timedelta(hours=1)),
            "suspended": lambda: self._fail(suspended_at=now, suspension="card_refused"),
            "three times declined": lambda: self._fail(suspended_at=now, suspension="declined", failures=3),
            "not confirmed": lambda: self.set(suspended_at=now, suspension="not_confirmed"),
            "to confirm": lambda: self.set(confirmation_link=self._link(), next_try_at=now + timedelta(days=1)),
            "capped": lambda: self.set(monthly_cap_micros=25 * DOLLAR),
            "capped today": lambda: self.set(daily_charges_max=1),
            "on hold": lambda: ChargingSwitch.objects.update_or_create(id=1, defaults={"paused_at": now, "reason": "a test"}),
            "disputed": lambda: self._dispute(paid),
        }

    def set(self, **fields: object) -> None:
        """Columns of the rule, as the services would set them."""
        AutomaticPayments.objects.filter(wallet=self.wallet).update(**fields)

    def charge(self, status: str) -> TopUp:
        """An automatic payment that stands so."""
        now, is_paid, is_failed = timezone.now(), status == "succeeded", status == "failed"
        return TopUp.objects.create(
            wallet=self.wallet,
            origin=Origin.AUTOMATIC,
            amount_micros=25 * DOLLAR,
            card=self.card,
            request_id=f"automatic:{uuid4()}",
            status=status,
            decline_code="insufficient_funds" if is_failed else "",
            resolved_at=now if is_paid or is_failed else None,
            receipt_number=f"W-{now:%H%M%S%f}" if is_paid else None,
            created_at=now,
        )

    def _fail(self, **fields: object) -> None:
        self.charge("failed")
        if "suspension" in fields:
            Card.objects.filter(pk=self.card.pk).update(refused_at=timezone.now())
        self.set(**fields)

    def _link(self) -> PaymentLink:
        return request_payment_link(
            self.wallet,
            purpose=PaymentLink.Purpose.PAY,
            amount_micros=25 * DOLLAR,
            request_id=f"confirm:{uuid4()}",
            requested_by=self.owner,
            lifetime=timedelta(hours=24),
        )

    def _dispute(self, paid: TopUp) -> None:
        Dispute.objects.create(
            stripe_dispute_id="dp_1", wallet=self.wallet, top_up=paid, amount_micros=25 * DOLLAR, status="needs_response"
        )

    def clear(self) -> None:
        """As if there had never been any."""
        ChargingSwitch.objects.all().delete()
        Dispute.objects.filter(wallet=self.wallet).delete()
        TopUp.objects.filter(wallet=self.wallet, origin=Origin.AUTOMATIC).delete()
        AutomaticPayments.objects.filter(wallet=self.wallet).delete()
        PaymentLink.objects.filter(wallet=self.wallet, request_id__startswith="confirm:").delete()
        Card.objects.filter(pk=self.card.pk).update(refused_at=None)


STATES = (
    "off",
    "active",
    "charging",
    "in review",
    "declined",
    "suspended",
    "three times declined",
    "not confirmed",
    "to confirm",
    "capped",
    "capped today",
    "on hold",
    "disputed",
)
