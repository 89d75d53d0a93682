"""Where the operator's people act on a wallet, by the forms of their pages; Stripe gives every refund that it is asked for."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from wallet import stripe_gateway
from wallet.models import PaymentLink, TopUp, Wallet
from wallet.services.payment_links import request_payment_link
from wallet.stripe_objects import RefundState
from wallet.tests.builders import DOLLAR, make_wallet, paid_top_up
from wallet.tests.staff import new_form, signed_in, staff
from workspaces.models import User


@dataclass
class Desk:
    """A wallet with $200 of paid money, a link, and Frances and Felix of finance."""

    wallet: Wallet
    top_up: TopUp
    link: PaymentLink
    frances: User
    felix: User

    def address(self, name: str, *arguments: object) -> str:
        return reverse(f"console:{name}", args=[self.wallet.workspace.public_id, *arguments])

    def post(self, name: str, *arguments: object, by: User | None = None, **fields: Any) -> Any:
        """What the form of that page sends."""
        return signed_in(by or self.frances).post(
            self.address(name, *arguments), {"form_id": new_form(), "reason": "Asked by phone"} | fields
        )

    def adjust(self, amount: str = "20", **fields: Any) -> Any:
        return self.post("adjust", **{"direction": "in", "amount": amount, "words": "Adjustment"} | fields)


def make_desk() -> Desk:
    wallet = make_wallet()
    link = request_payment_link(
        wallet, purpose=PaymentLink.Purpose.PAY, amount_micros=20 * DOLLAR, request_id=new_form(), requested_by=None
    )
    return Desk(wallet, paid_top_up(wallet, 200 * DOLLAR), link, staff("frances"), staff("felix"))


def give_refunds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stripe gives every refund; the keys of those that it was asked for."""
    keys: list[str] = []

    def create(*, payment_id: str, amount_micros: int, currency: str, metadata: dict[str, str], idempotency_key: str) -> RefundState:
        keys.append(idempotency_key)
        name = f"re_{idempotency_key}"
        return RefundState(name, "succeeded", amount_micros, currency, payment_id, "", timezone.now(), metadata["refund_request_id"])

    monkeypatch.setattr(stripe_gateway, "create_refund", create)
    return keys
