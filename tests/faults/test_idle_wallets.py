"""Only a use that is charged sets an automatic payment off: a wallet that nobody uses is never charged."""

from tests.payments import MoneyIn
from wallet.services.checkout import open_checkout


def test_it_charges_no_card_because_somebody_paid_too_little(money_in: MoneyIn) -> None:
    """The operator has taken money out, so that the wallet is below its threshold without any use."""
    money_in.give(30)
    money_in.switch_on(money_in.connect_card())
    money_in.take(28)
    money_in.sandbox.pay_checkout(open_checkout(money_in.ask_for_link(dollars=5)))
    money_in.deliver()

    money_in.sweep()

    assert (money_in.balance, money_in.rule.next_try_at, money_in.automatic()) == (7, None, [])
