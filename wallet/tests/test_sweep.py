"""What the sweep hands out where there is more than it hands out at once."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from wallet.models import Wallet
from wallet.services import sweep
from wallet.services.closing import request_closing
from wallet.tests.builders import automatic_payments_of, make_wallet
from wallet.tests.staff import staff

pytestmark = pytest.mark.django_db

ROUNDS = 40
"""That one of two is never drawn in so many is less likely than anything else that could go wrong here."""


def untold(wallet: Wallet) -> object:
    Wallet.objects.filter(pk=wallet.pk).update(balance_micros=1, last_seq=1)
    return wallet.pk


def undecided(wallet: Wallet) -> object:
    return automatic_payments_of(wallet, next_try_at=timezone.now() - timedelta(minutes=1)).pk


def unfinished(wallet: Wallet) -> object:
    """A closing whose next step fails."""
    return request_closing(wallet, reason="They go elsewhere", request_id="form", by=staff(f"frances-{wallet.pk}")).pk


@pytest.mark.parametrize("row", [untold, undecided, unfinished])
def test_it_keeps_nobody_waiting_behind_those_that_fail_again_and_again(
    monkeypatch: pytest.MonkeyPatch, row: Callable[[Wallet], object]
) -> None:
    """What cannot be done stays due, and would be handed out before the others for ever."""
    handed_out: list[str | int] = []
    monkeypatch.setattr(sweep, "BATCH", 1)
    monkeypatch.setattr(sweep, "wake", lambda task, key: handed_out.append(key))
    rows = {str(row(make_wallet())), str(row(make_wallet()))}

    for _ in range(ROUNDS):
        sweep.wake_everything_due()

    assert {str(key) for key in handed_out} == rows
