"""Uses that change how wallets stand: told in the transaction of the batch, and at no cost where nothing changes."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from usage.services import charging
from usage.services.charging import charge_uses
from usage.tests.stage import DOLLAR, Metering, make_metering
from wallet.models import Notice, OutgoingEvent, Wallet, WebhookEndpoint
from wallet.services import standing

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def listener(db: None) -> WebhookEndpoint:
    """The platform's own endpoint, which hears of all."""
    return WebhookEndpoint.objects.create(workspace=None, url="https://platform.example/hook", secret_sealed="sealed")


def told() -> list[tuple[str, str]]:
    events = OutgoingEvent.objects.select_related("wallet__workspace").order_by("wallet__workspace__name", "occurred_at")
    return [(event.wallet.workspace.name, event.type) for event in events if event.wallet is not None]


def queries_of(metering: Metering, calls: int) -> int:
    batch = [metering.event() for _ in range(calls)]
    with CaptureQueriesContext(connection) as queries:
        assert metering.report(*batch).status == 204
    return len(queries)


def test_it_costs_a_batch_nothing_where_no_standing_changes(metering: Metering, monkeypatch: pytest.MonkeyPatch) -> None:
    metering.fund(100 * DOLLAR)
    metering.report(metering.event())
    with_it = queries_of(metering, 20)
    monkeypatch.setattr(charging, "announce_standings", lambda wallets: None)

    assert with_it == queries_of(metering, 20)
    assert told() == []


def test_it_tells_of_every_wallet_of_a_batch(prices: None) -> None:
    low, used_up, fine = (make_metering(name=name, dollars=dollars) for name, dollars in (("A", 5), ("B", 1), ("C", 50)))

    with CaptureQueriesContext(connection) as queries:
        low.report(*(metering.event() for metering in (low, used_up, used_up, fine)))

    assert told() == [("A", "wallet.low_balance"), ("B", "wallet.depleted")]
    statements = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "wallet_wallet" SET "announced"')]
    assert len(statements) == 1, "one statement for both"


def test_it_leaves_more_than_it_tells_at_once_to_the_sweep(prices: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "TOLD_AT_ONCE", 2)
    meterings = [make_metering(name=name, dollars=5) for name in "ABC"]
    meterings[0].report(*(metering.event() for metering in meterings))
    assert len(told()) == 2

    for wallet in standing.stale_standings():
        standing.announce_standing(wallet.pk)

    assert len(told()) == 3


def test_it_tells_when_an_inbound_call_begins_the_grace_time(metering: Metering) -> None:
    metering.leave(1)
    Wallet.objects.update(announced="low")

    assert metering.hold(meter="call_in").status == 201

    assert told() == [("Alice's Bakery", "wallet.depleted")]
    assert Wallet.objects.get().announced == "depleted"


def test_it_tells_nothing_of_a_book_that_is_taken_over(metering: Metering, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was low years ago is no news."""

    def taken_over(*arguments: Any, **options: Any) -> Any:
        return charge_uses(*arguments, **{**options, "taken_over": True})

    monkeypatch.setattr("usage.services.ingestion.charge_uses", taken_over)
    metering.leave(5 * DOLLAR)

    metering.report(metering.event())

    assert (told(), Notice.objects.count()) == ([], 0)
