"""A dispute in another currency that has ended, and of which nobody has said yet what it took."""

import pytest

from stripe_sandbox.testing import RunningSandbox
from tests.faults.refunds import GivingBack
from tests.payments import DOLLAR
from wallet import stripe_gateway
from wallet.errors import PaymentDisputed
from wallet.models import Dispute
from wallet.services.closing import continue_closing, request_closing
from wallet.services.disputes import book_dispute
from wallet.stripe_answers import read_dispute
from wallet.tests.staff import new_form


def test_it_gives_nothing_back_that_the_bank_has_taken_already(
    office: GivingBack, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The book still shows the whole payment as the customer's: refunded or given back by a closing, it would leave twice."""
    money_in, top_up = office.money_in, office.paid(20)
    monkeypatch.setattr(stripe_gateway, "read_dispute", lambda document: read_dispute({**document, "currency": "eur", "amount": 1840}))
    dispute = sandbox.open_dispute(str(top_up.payment_intent_id))
    sandbox.lose_dispute(dispute["id"])
    money_in.deliver()
    assert Dispute.objects.get().closed_at is not None

    with pytest.raises(PaymentDisputed):
        office.ask(top_up, 5)
    closing = request_closing(money_in.wallet, reason="They go elsewhere", request_id=new_form(), by=office.frances)
    continue_closing(closing.pk)
    money_in.work()
    book_dispute(dispute["id"], amount_micros=20 * DOLLAR)

    assert (office.at_stripe(), money_in.balance) == ([], 0)
