"""The holds of one wallet that ended: each once, newest first, with what was charged under it too late; never by a scan."""

import re
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from console.holds import EndedHold, ended_holds
from usage.tests.stage import MINUTE_MICROS, Metering, make_metering
from wallet.models import Hold, Wallet
from wallet.services.holds import expire_due_holds, place_hold, release_hold

pytestmark = pytest.mark.django_db


def all_pages(wallet: Wallet) -> list[EndedHold]:
    rows, before = [], ""
    while True:
        page = ended_holds(wallet, before=before)
        rows += page.rows
        before = page.next_before
        if not before:
            return rows


def ended(wallet: Wallet, count: int) -> list[Hold]:
    """Released, all of them at one moment."""
    holds = [
        place_hold(wallet.pk, amount_micros=1, reference=f"call {number}", idempotency_key=str(number), lifetime=timedelta(hours=1))
        for number in range(count)
    ]
    for hold in holds:
        release_hold(hold)
    Hold.objects.filter(wallet=wallet).update(resolved_at=timezone.now())
    return holds


def test_it_tells_how_each_ended_and_what_came_late(metering: Metering, sam: Client) -> None:
    captured, released, expired, _ = [metering.hold(agent="Sales agent").body["hold"] for _ in range(4)]
    metering.act("capture", captured, quantity=60)
    metering.act("release", released)
    Hold.objects.filter(id=expired).update(expires_at=timezone.now() - timedelta(seconds=1))
    expire_due_holds()
    metering.report(metering.event(data={"hold": expired}))
    metering_of_bob = make_metering(name="Bob's Garage")
    metering_of_bob.act("release", metering_of_bob.hold().body["hold"])

    rows = all_pages(metering.wallet)

    assert [(str(row.hold.id), row.hold.status, row.hold.captured_micros, row.late_micros) for row in rows] == [
        (expired, "expired", 0, MINUTE_MICROS),
        (released, "released", 0, 0),
        (captured, "captured", MINUTE_MICROS, 0),
    ]
    assert {row.was_for for row in rows} == {"call_out · +1\N{NO-BREAK SPACE}415\N{NO-BREAK SPACE}555\N{NO-BREAK SPACE}0142 · Sales agent"}
    page = sam.get(reverse("admin:console_wallet_holds", args=[metering.wallet.pk])).content.decode()
    assert (
        page.index(">Open</h2>") < page.index(">Ended</h2>") < page.index("Expired") < page.index("Released") < page.index("Captured</td>")
    )


def test_it_pages_through_many_that_ended_at_one_moment(metering: Metering, sam: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.holds.ENDED_SHOWN", 2)
    holds = ended(metering.wallet, 5)
    address = reverse("admin:console_wallet_holds", args=[metering.wallet.pk])

    found = all_pages(metering.wallet)
    first = sam.get(address).content.decode()
    link = re.search(r'href="\?before=([^"]+)"', first)
    assert link is not None
    second = sam.get(f"{address}?before={link[1]}").content.decode()

    assert [row.hold.id for row in found] == sorted((hold.id for hold in holds), reverse=True)
    for page, shown in ((first, found[:2]), (second, found[2:4])):
        assert re.findall(r"call \d", page) == [row.hold.reference for row in shown]
    assert "Nothing is set aside" not in second, "what is open now stands on the first page"
    for wild in ("x", "9999-12-31T23:59:59-12:00|x", "0001-01-01T00:00+12:00|" + str(holds[0].id), "2026-01-01|\0"):
        assert sam.get(address, {"before": wild}).status_code == 200


def test_it_asks_by_indexes_alone_and_not_for_each_row(metering: Metering) -> None:
    ended(metering.wallet, 5)

    with CaptureQueriesContext(connection) as asked:
        page = ended_holds(metering.wallet)
        ended_holds(metering.wallet, before=f"{page.rows[2].hold.resolved_at}|{page.rows[2].hold.id}")

    assert len(asked) == 6
    with transaction.atomic(), connection.cursor() as cursor:
        # Where there is an index, PostgreSQL takes it now, however few rows there are.
        cursor.execute("SET LOCAL enable_seqscan = off")
        plans = []
        for query in asked.captured_queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plans.append("\n".join(line for (line,) in cursor.fetchall()))
    for plan in plans:
        assert not re.search("Seq Scan on (wallet_hold|usage_holdterms|usage_event)", plan), plan
    for plan in (plans[0], plans[3]):
        assert "hold_ended_by_wallet" in plan, plan
