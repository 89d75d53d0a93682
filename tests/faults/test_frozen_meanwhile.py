"""A wallet that is frozen between a top-up's row and its charge: no saved card is charged until it is opened again."""

import pytest

from tests.payments import MoneyIn
from wallet.models import TopUp
from wallet.services.freezing import freeze_wallet, unfreeze_wallet
from wallet.services.top_ups import charge_top_up
from wallet.tests.staff import staff

Status = TopUp.Status


@pytest.mark.parametrize(("minutes", "ends"), [(5, Status.SUCCEEDED), (61, Status.EXPIRED)])
def test_it_charges_no_card_while_the_wallet_is_frozen(money_in: MoneyIn, minutes: int, ends: TopUp.Status) -> None:
    """Its first worker was killed before it sent anything; the sweep comes while the wallet is frozen."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())
    frances = staff("frances")
    freeze = freeze_wallet(money_in.wallet, reason="A stolen card?", request_id="form", by=frances)
    assert charge_top_up(top_up.pk).status == Status.CREATED
    money_in.pass_time(minutes=minutes)
    money_in.sweep()
    assert money_in.charges() == 0

    unfreeze_wallet(freeze.pk, reason="Theirs after all", by=frances)
    money_in.pass_time(minutes=2)
    money_in.sweep()

    assert (money_in.read(top_up).status, money_in.charges()) == (ends, int(ends == Status.SUCCEEDED))
