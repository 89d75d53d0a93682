"""A wallet that is frozen or closed between a top-up's row and its charge: no saved card is charged until it is opened again."""

from collections.abc import Callable

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from tests.faults.automatic import CHARGE, freeze
from tests.payments import MoneyIn
from wallet.models import TopUp, Wallet
from wallet.services.freezing import freeze_wallet, unfreeze_wallet
from wallet.services.top_ups import charge_top_up
from wallet.services.wallets import close_wallet
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


@pytest.mark.parametrize("happens", [freeze, close_wallet])
def test_it_sends_no_top_up_again_where_charging_was_stopped(money_in: MoneyIn, happens: Callable[[Wallet], object]) -> None:
    """Its first request was lost before Stripe had it."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())
    money_in.sandbox.fault("drop_before", match=CHARGE)
    assert charge_top_up(top_up.pk).status == Status.UNKNOWN
    happens(money_in.wallet)

    money_in.pass_time(seconds=61)
    money_in.sweep()

    assert (money_in.read(top_up).status, money_in.charges()) == (Status.CANCELED, 0)


def test_it_charges_no_card_of_a_wallet_that_was_closed_before(money_in: MoneyIn) -> None:
    """Its first worker was killed before it sent anything. The closing waits for it, so it is dropped at once."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())
    close_wallet(money_in.wallet)

    assert (charge_top_up(top_up.pk).status, money_in.charges()) == (Status.EXPIRED, 0)


def test_it_drops_nothing_that_another_worker_has_just_claimed(money_in: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one looked before the wallet was closed; were it dropped while it is charged, no closing would wait for its money."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())
    close_wallet(money_in.wallet)
    exists = QuerySet.exists

    def claimed_meanwhile(rows: "QuerySet[TopUp]") -> bool:
        found = exists(rows)
        TopUp.objects.filter(pk=top_up.pk).update(status=Status.SENDING, sent_at=timezone.now())
        return found

    monkeypatch.setattr(QuerySet, "exists", claimed_meanwhile)

    assert charge_top_up(top_up.pk).status == Status.SENDING
