"""B7: where Stripe calls charge after charge wrong, no more are sent, whatever it says is wrong with them."""

import pytest

from tests.payments import MoneyIn
from wallet.models import Card, Wallet
from wallet.services import charging_switch


@pytest.mark.parametrize("wrong", ["customer", "card"])
def test_it_breaks_off_where_stripe_calls_charges_wrong(money_in: MoneyIn, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """With the key of another account no customer is known, and no card: that must not cost every workspace its cards."""
    monkeypatch.setattr(charging_switch, "REJECTIONS_AN_HOUR_MAX", 1)
    money_in.give(30)
    money_in.switch_on(money_in.connect_card())
    if wrong == "customer":
        Wallet.objects.update(stripe_customer_id="cus_of_another_account")
    else:
        Card.objects.update(payment_method_id="pm_of_another_account")
    money_in.use(25)
    money_in.work()

    assert [status for status, _ in money_in.outcomes()] == ["failed"]
    assert charging_switch.charging_is_paused()
