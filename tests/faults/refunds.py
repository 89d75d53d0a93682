"""Refunds and closings for tests: top-ups that were really paid at the sandbox, and two of finance who give money back."""

from dataclasses import dataclass
from typing import Any

from stripe_sandbox.testing import RunningSandbox
from tests.payments import DOLLAR, MoneyIn
from wallet.models import Hold, RefundRequest, TopUp
from wallet.services.refund_requests import request_refund
from wallet.services.refund_sending import send_refund
from wallet.services.top_ups import charge_top_up
from wallet.tests.staff import new_form
from workspaces.models import AuditEntry, User


@dataclass
class GivingBack:
    """Alice's wallet, and Frances and Felix of finance."""

    money_in: MoneyIn
    sandbox: RunningSandbox
    frances: User
    felix: User

    def paid(self, dollars: int, *, card: str = "pm_card_visa") -> TopUp:
        """A top-up whose money arrived."""
        top_up = charge_top_up(self.money_in.ask_for_top_up(self.money_in.connect_card(card), dollars=dollars).pk)
        assert top_up.status == TopUp.Status.SUCCEEDED
        return top_up

    def ask(self, top_up: TopUp, dollars: float, **more: Any) -> RefundRequest:
        """Frances asks; nothing is sent yet."""
        given: dict[str, Any] = {"reason": "Moved to another plan", "request_id": new_form(), "by": self.frances}
        return request_refund(top_up, amount_micros=round(dollars * DOLLAR), **given | more)

    def refund(self, top_up: TopUp, dollars: float, **more: Any) -> RefundRequest:
        """Asked for and sent, as the console does."""
        return send_refund(self.ask(top_up, dollars, **more).pk)

    @property
    def held(self) -> float:
        """What is set aside, in dollars."""
        self.money_in.wallet.refresh_from_db()
        return self.money_in.wallet.held_micros / DOLLAR

    def at_stripe(self) -> list[tuple[int, str]]:
        """Every refund at Stripe: cents and status."""
        return [(refund["amount"], refund["status"]) for refund in self.sandbox.state()["refunds"]]

    def holds(self) -> list[str]:
        """What became of each hold for a refund."""
        rows = Hold.objects.filter(purpose=Hold.Purpose.REFUND).order_by("created_at")
        return list(rows.values_list("status", flat=True))

    def read(self, request: RefundRequest) -> RefundRequest:
        """The row as it stands."""
        return RefundRequest.objects.select_related("refund").get(pk=request.pk)


def acts() -> list[str]:
    """What the audit log has of refunds, oldest first."""
    return list(AuditEntry.objects.filter(action__startswith="refund.").order_by("pk").values_list("action", flat=True))
