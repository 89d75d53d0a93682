"""Test calls that start at once: never more than may be open, and one for each form; with the twin that fails without the wallet's lock."""

from functools import partial
from threading import Barrier

import pytest

from usage.models import LabRun
from usage.services import lab_calls
from usage.services.lab_calls import RUNNING_MAX, TooManyCalls
from usage.tests.lab.conftest import MINUTE_OUT, Call, standing
from wallet.models import Wallet
from wallet.tests.builders import DOLLAR
from workspaces.tests.threads import at_once, errors

# One after the other even where tests run side by side: the server has connections for one race at a time.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("races")]

AT_ONCE = 4 * RUNNING_MAX


def start_at_once(call: Call, *, is_live: bool) -> list[object]:
    return at_once([partial(call, is_live=is_live) for _ in range(AT_ONCE)])


@pytest.mark.usefixtures("funded")
@pytest.mark.parametrize("is_live", [True, False])
def test_it_opens_no_more_calls_than_may_be_however_many_start_at_once(wallet: Wallet, call: Call, is_live: bool) -> None:
    outcomes = start_at_once(call, is_live=is_live)

    assert [type(error) for error in errors(outcomes)] == [TooManyCalls] * (AT_ONCE - RUNNING_MAX)
    assert LabRun.objects.count() == RUNNING_MAX
    assert standing(wallet) == (10 * DOLLAR, 3 * MINUTE_OUT * RUNNING_MAX if is_live else 0)


def test_it_would_open_more_without_the_lock(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: each has counted before any of the others is one that counts."""
    counted, open_calls = Barrier(AT_ONCE, timeout=30), lab_calls._open_calls

    def counted_together(wallet: Wallet) -> int:
        count = open_calls(wallet)
        counted.wait()
        return count

    monkeypatch.setattr(lab_calls, "lock_wallet", lambda wallet_id: Wallet.objects.get(pk=wallet_id))
    monkeypatch.setattr(lab_calls, "_open_calls", counted_together)

    assert errors(start_at_once(call, is_live=False)) == []
    assert LabRun.objects.count() == AT_ONCE


@pytest.mark.usefixtures("funded")
def test_it_starts_one_call_for_a_form_that_is_sent_many_times_at_once(wallet: Wallet, call: Call) -> None:
    outcomes = at_once([partial(call, request_id="a" * 32) for _ in range(AT_ONCE)])

    assert errors(outcomes) == []
    assert len({run.pk for run in outcomes if isinstance(run, LabRun)}) == LabRun.objects.count() == 1
    assert standing(wallet) == (10 * DOLLAR, 3 * MINUTE_OUT)
