"""What several tests under faults begin with: a wallet that is charged automatically, people who give money back, no locks."""

import pytest
from django.db.models import QuerySet

from stripe_sandbox.testing import RunningSandbox
from tests.faults.refunds import GivingBack
from tests.payments import MoneyIn
from wallet.tests.staff import staff


@pytest.fixture
def active(money_in: MoneyIn) -> MoneyIn:
    """30 dollars, a good card, and automatic payments: below 10 charge 25, at most 100 a month."""
    money_in.give(30)
    money_in.switch_on(money_in.connect_card())
    return money_in


@pytest.fixture
def office(money_in: MoneyIn, sandbox: RunningSandbox) -> GivingBack:
    return GivingBack(money_in, sandbox, staff("frances"), staff("felix"))


@pytest.fixture
def no_row_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """SELECT FOR UPDATE locks nothing any more."""
    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_: rows.all())
