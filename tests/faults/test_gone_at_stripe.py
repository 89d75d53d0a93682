"""A refund without an end that Stripe knows no more is told until a person has explained it, and never moves money by that."""

import pytest

from stripe_sandbox.testing import RunningSandbox
from tests.payments import Alerts, MoneyIn
from wallet import stripe_gateway
from wallet.models import Discrepancy, Refund, TopUp
from wallet.services import reconciliation
from wallet.services.nightly import explain_discrepancy, reconcile
from wallet.services.top_ups import charge_top_up


def test_it_is_silent_on_what_stripe_knows_no_more_once_that_is_explained(
    money_in: MoneyIn, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, alerts: Alerts
) -> None:
    charge_top_up(money_in.ask_for_top_up(money_in.connect_card()).pk)
    refund = sandbox.refund(str(TopUp.objects.get().payment_intent_id), amount=500)
    reconcile()
    Refund.objects.update(status="pending")
    monkeypatch.setattr(stripe_gateway, "refunds_since", lambda since: iter(()))
    retrieve = stripe_gateway.retrieve_refund
    with monkeypatch.context() as patched:
        patched.setattr(stripe_gateway, "retrieve_refund", lambda refund_id: retrieve("re_of_nobody"))

        for _ in range(2):
            assert reconcile().discrepancies == 1
        found = Discrepancy.objects.get(closed_at=None)
        assert (found.kind, found.reference) == (Discrepancy.Kind.NOT_GONE_BACK, refund["id"])
        assert "is not at Stripe any more" in found.words
        assert alerts().count("not_reconciled") == 2
        explain_discrepancy(found, seen=found.words, by=money_in.alice, explanation="Stripe's support says that it never was.")

        assert reconcile().discrepancies == 0
        assert reconciliation.reconcile_since().refused == 0
        assert alerts().count("not_reconciled") == 2
        assert (money_in.balance, Refund.objects.get().status) == (15, "pending"), "explaining moves no money"

    reconcile()

    assert Refund.objects.get().status == "succeeded", "it is asked after all the same"
