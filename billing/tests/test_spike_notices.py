"""The e-mail about a day far above the usual: once for a day and workspace, and few queries for any number of wallets."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.spike_notices import tell_of_spikes
from billing.tasks import tell_of_spikes as task
from usage.models import Meter, UsageDay
from usage.tests.stage import METERS
from wallet.models import Notice, Wallet
from wallet.tests.builders import DOLLAR, make_wallet
from workspaces.models import Membership, Role, User
from workspaces.tests.threads import at_once, errors

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 7, 21, 12, tzinfo=UTC)
TODAY = NOW.date()


@pytest.fixture(autouse=True)
def meters(db: None) -> None:
    Meter.objects.bulk_create(Meter(key=key, name=key, unit=unit, kind=kind) for key, unit, kind in METERS)


@pytest.fixture
def wallet(db: None) -> Wallet:
    """Ten days at two dollars."""
    return used_wallet("Alice's")


def used_wallet(name: str, *, time_zone: str = "UTC") -> Wallet:
    wallet = make_wallet(name=name)
    wallet.workspace.time_zone = time_zone
    wallet.workspace.save(update_fields=["time_zone"])
    user = User.objects.create_user(f"{wallet.pk}@example.com", "correct horse battery")
    Membership.objects.create(workspace=wallet.workspace, user=user, role=Role.OWNER)
    for days in range(2, 12):
        use(wallet, TODAY - timedelta(days=days), dollars=2)
    return wallet


def use(wallet: Wallet, day: date, *, dollars: int, meter: str = "call_out", is_late: bool = False) -> None:
    sums = {"events": 1, "quantity": 1, "billed_quantity": 1, "amount_micros": dollars * DOLLAR}
    UsageDay.objects.create(wallet=wallet, day=day, meter_id=meter, is_late=is_late, **sums)


def told() -> list[tuple[str, str]]:
    return list(Notice.objects.order_by("wallet_id", "reference").values_list("wallet__workspace__name", "reference"))


@pytest.mark.parametrize(
    ("dollars", "days_ago", "expected"),
    [(7, 0, True), (6, 0, False), (7, 1, True), (7, 2, False)],
    ids=["far above", "not far", "yesterday", "old"],
)
def test_it_tells_of_a_day_far_above_the_usual(wallet: Wallet, dollars: int, days_ago: int, expected: bool) -> None:
    UsageDay.objects.filter(day=TODAY - timedelta(days=days_ago)).delete()
    use(wallet, TODAY - timedelta(days=days_ago), dollars=dollars)

    tell_of_spikes(now=NOW)

    assert told() == ([("Alice's", (TODAY - timedelta(days=days_ago)).isoformat())] if expected else [])


def test_it_says_how_much_and_what_is_usual(wallet: Wallet) -> None:
    """All meters of the day together; what was booked late tells of other days."""
    use(wallet, TODAY, dollars=5)
    use(wallet, TODAY, dollars=4, meter="ai_task")
    use(wallet, TODAY, dollars=90, is_late=True)

    tell_of_spikes(now=NOW)

    assert Notice.objects.get().facts == {"spent_micros": 9 * DOLLAR, "usual_micros": 2 * DOLLAR}


def test_it_tells_once_a_day(wallet: Wallet) -> None:
    use(wallet, TODAY, dollars=7)
    tell_of_spikes(now=NOW)
    UsageDay.objects.filter(day=TODAY).update(amount_micros=90 * DOLLAR)

    tell_of_spikes(now=NOW + timedelta(minutes=15))
    tell_of_spikes(now=NOW + timedelta(days=1))

    assert told() == [("Alice's", "2026-07-21")]


def test_it_knows_each_workspaces_day(wallet: Wallet) -> None:
    """At noon in London the 22nd has begun on Kiritimati, and its 20th is over and told."""
    far_east = used_wallet("Far East", time_zone="Pacific/Kiritimati")
    far_west = used_wallet("Far West", time_zone="Pacific/Niue")
    for of in (far_east, far_west):
        UsageDay.objects.filter(wallet=of, day=TODAY - timedelta(days=2)).delete()
        use(of, TODAY - timedelta(days=2), dollars=7)
    use(far_east, TODAY + timedelta(days=1), dollars=50)

    tell_of_spikes(now=NOW)
    assert told() == [("Far East", "2026-07-22")]

    tell_of_spikes(now=NOW - timedelta(hours=2))
    assert told() == [("Far East", "2026-07-22"), ("Far West", "2026-07-19")]


def test_it_says_nothing_of_a_closed_wallet(wallet: Wallet) -> None:
    use(wallet, TODAY, dollars=7)
    Wallet.objects.update(closed_at=NOW)

    tell_of_spikes(now=NOW)

    assert told() == []


def test_it_asks_no_more_for_many_wallets_than_for_one(wallet: Wallet) -> None:
    use(wallet, TODAY, dollars=2)
    with CaptureQueriesContext(connection) as for_one:
        tell_of_spikes(now=NOW)
    for number in range(4):
        use(used_wallet(f"Number {number}"), TODAY, dollars=2)
    with CaptureQueriesContext(connection) as for_five:
        tell_of_spikes(now=NOW)

    assert len(for_five) == len(for_one) == 3


def test_it_has_a_task(wallet: Wallet) -> None:
    task()

    assert told() == []


@pytest.mark.django_db(transaction=True)
def test_it_tells_once_when_two_beats_look(wallet: Wallet) -> None:
    use(wallet, TODAY, dollars=7)

    outcomes = at_once([lambda: tell_of_spikes(now=NOW)] * 6)

    assert (errors(outcomes), len(told())) == ([], 1)
