"""What the sweep hands out where there is more than it hands out at once."""

import pytest

from wallet.models import Wallet
from wallet.services import sweep
from wallet.tests.builders import make_wallet

pytestmark = pytest.mark.django_db

ROUNDS = 40
"""That one of two is never drawn in so many is less likely than anything else that could go wrong here."""


def test_it_keeps_nobody_waiting_behind_those_that_fail_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A standing that cannot be told stays untold, and would be handed out before the others for ever."""
    handed_out: list[str | int] = []
    monkeypatch.setattr(sweep, "BATCH", 1)
    monkeypatch.setattr(sweep, "wake", lambda task, key: handed_out.append(key))
    wallets = {make_wallet().pk, make_wallet().pk}
    Wallet.objects.update(balance_micros=1, last_seq=1)

    for _ in range(ROUNDS):
        sweep.wake_everything_due()

    assert set(handed_out) == wallets
