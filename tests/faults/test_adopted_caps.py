"""B25: automatic payments that a restored database had forgotten count where they were taken, and not where they were found."""

from dataclasses import replace
from datetime import timedelta

from django.utils import timezone

from tests.payments import MoneyIn
from wallet import stripe_gateway
from wallet.models import TopUp
from wallet.services.automatic_charges import charged_so_far
from wallet.services.settlement import adopt_payment


def test_it_uses_up_no_charge_of_today_by_what_was_taken_before(money_in: MoneyIn) -> None:
    money_in.give(30)
    money_in.switch_on(money_in.connect_card(), daily=1)
    money_in.use(25)
    money_in.work()
    (forgotten,) = money_in.sandbox.state()["payment_intents"]
    payment = stripe_gateway.retrieve_payment(forgotten["id"])
    # As if the charge had been made two days ago, and its row were younger than the backup.
    payment = replace(payment, id="pi_of_before", top_up_id="", created_at=timezone.now() - timedelta(days=2))
    TopUp.objects.update(created_at=payment.created_at, resolved_at=payment.created_at)

    adopted = adopt_payment(payment)

    assert adopted is not None
    assert (adopted.status, adopted.resolved_at) == (TopUp.Status.SUCCEEDED, payment.created_at)
    assert charged_so_far(money_in.wallet, now=timezone.now()).today == 0
    money_in.use(50)
    money_in.work()
    assert [status for status, _ in money_in.outcomes()] == ["succeeded"] * 3
