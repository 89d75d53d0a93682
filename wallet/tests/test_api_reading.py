"""What the API tells of a wallet: its balance, its history in pages, and its top-ups."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from wallet.ledger import post
from wallet.models import AutomaticPayments, Origin, TopUp, Wallet
from wallet.tests.builders import DOLLAR, adjustment, automatic_payments_of, charge, open_top_up
from workspaces.models import Workspace
from workspaces.tests.api_caller import Caller

pytestmark = pytest.mark.django_db


# ---------------------------------------------------------------- balance
def test_it_reads_a_wallet(wallet: Wallet, own: Caller, path: str) -> None:
    post(wallet.pk, [adjustment(20 * DOLLAR)])
    Wallet.objects.update(held_micros=DOLLAR + 1)

    answer = own.get(path)

    assert answer.status == 200
    assert answer.body == {
        "workspace": wallet.workspace.public_id,
        "external_id": None,
        "currency": "usd",
        "balance_micros": 20_000_000,
        "held_micros": 1_000_001,
        "available_micros": 18_999_999,
        "status": "fine",
        "depleted_at": None,
        "grace_until": None,
        "automatic_payments": None,
    }


def test_it_reads_how_automatic_payments_stand(wallet: Wallet, own: Caller, path: str) -> None:
    automatic_payments_of(wallet, suspended_at=timezone.now(), suspension=AutomaticPayments.Suspension.CARD_REFUSED)
    TopUp.objects.create(wallet=wallet, origin=Origin.AUTOMATIC, amount_micros=25 * DOLLAR, request_id="1", status="unknown")

    assert own.get(path).body["automatic_payments"] == {
        "active": True,
        "suspended": "card_refused",
        "awaits_confirmation": False,
        "next_try_at": None,
        "threshold_micros": 10_000_000,
        "amount_micros": 25_000_000,
        "target_micros": None,
        "monthly_cap_micros": 100_000_000,
        "charged_this_month_micros": 25_000_000,
    }


def test_it_tells_how_long_the_grace_lasts(wallet: Wallet, own: Caller, path: str) -> None:
    post(wallet.pk, [adjustment(DOLLAR)])
    charge(wallet, 2 * DOLLAR)
    wallet.refresh_from_db()

    body = own.get(path).body

    assert body["available_micros"] == -DOLLAR
    assert wallet.depleted_at is not None
    assert body["depleted_at"] == wallet.depleted_at.isoformat().replace("+00:00", "Z")
    assert body["grace_until"] == (wallet.depleted_at + timedelta(minutes=wallet.grace_minutes)).isoformat().replace("+00:00", "Z")


def test_it_knows_no_wallet_of_a_workspace_that_has_none(platform: Caller) -> None:
    bare = Workspace.objects.create(name="Bare")

    assert platform.get(f"/wallets/{bare.public_id}").code == "not_found"
    assert platform.get(f"/workspaces/{bare.public_id}").body["currency"] is None


# ---------------------------------------------------------------- history
def test_it_lists_transactions_newest_first_in_pages(wallet: Wallet, own: Caller, path: str) -> None:
    post(wallet.pk, [adjustment(20 * DOLLAR)])
    for number in range(4):
        charge(wallet, 1000 + number)

    first = own.get(f"{path}/transactions?limit=2").body
    second = own.get(f"{path}/transactions?limit=2&cursor={first['next']}").body
    third = own.get(f"{path}/transactions?limit=2&cursor={second['next']}").body

    assert [row["seq"] for page in (first, second, third) for row in page["data"]] == [5, 4, 3, 2, 1]
    assert third["next"] is None
    newest, oldest = first["data"][0], third["data"][0]
    assert (newest["change_micros"], newest["balance_after_micros"]) == (-1003, 20 * DOLLAR - 4006)
    assert (oldest["kind"], oldest["change_micros"]) == ("adjustment", 20 * DOLLAR)
    assert newest["posted_at"].endswith("Z")


def test_it_filters_transactions_by_kind_and_time(wallet: Wallet, own: Caller, path: str) -> None:
    post(wallet.pk, [adjustment(20 * DOLLAR)])
    charge(wallet, 1000)
    charge(wallet, 2000, kind="message_out")
    later = (timezone.now() + timedelta(hours=1)).isoformat().replace("+", "%2B")

    def seqs(query: str) -> list[int]:
        return [row["seq"] for row in own.get(f"{path}/transactions?{query}").body["data"]]

    assert seqs("kind=adjustment") == [1]
    assert seqs("kind=adjustment&kind=message_out") == [3, 1]
    assert seqs("kind=nothing_like_it") == []
    assert seqs(f"since={later}") == []
    assert seqs(f"until={later}") == [3, 2, 1]
    assert seqs("since=2020-01-01T00:00:00Z") == [3, 2, 1]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=1.0",
        "limit=1e2",
        "limit=+5",
        "limit= 5",
        "limit=5_0",
        "limit=%D9%A5",
        "limit=",
        "limit=" + "9" * 5000,
        "cursor=0",
        "cursor=-1",
        "cursor=x",
        "cursor=%EF%BC%95",
        "cursor=99999999999999999999",
        "since=yesterday",
        "since=2026-01-01",
        "since=2026-01-01T00:00:00",
        "since=1700000000",
        "since=2026-13-01T00:00:00Z",
        "since=0001-01-01T00:00:00%2B14:00",
        "until=9999-12-31T23:59:59-14:00",
        "until=NaN",
        "kind=A",
        "kind=" + "x" * 33,
        "kind=%00",
        "kind=a&" * 21,
    ],
)
def test_it_refuses_filters_that_mean_nothing(own: Caller, path: str, query: str) -> None:
    answer = own.get(f"{path}/transactions?{query}")

    assert (answer.status, answer.code) == (422, "invalid")
    assert answer.body["errors"][0]["parameter"] == query.partition("=")[0]


def test_it_takes_the_ends_of_time(own: Caller, path: str) -> None:
    answer = own.get(f"{path}/transactions?since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59Z&cursor=999999999999999999")

    assert (answer.status, answer.body) == (200, {"data": [], "next": None})


# ---------------------------------------------------------------- top-ups
def test_it_reads_a_top_up(wallet: Wallet, own: Caller, path: str) -> None:
    top_up = open_top_up(wallet, 20 * DOLLAR)

    answer = own.get(f"{path}/top-ups/{top_up.pk}")

    assert answer.status == 200
    assert (answer.body["status"], answer.body["amount_micros"], answer.body["receipt_number"]) == ("sending", 20 * DOLLAR, None)


@pytest.mark.parametrize("what", ["payment-links", "top-ups"])
def test_it_knows_nothing_by_ids_that_are_none(own: Caller, path: str, what: str) -> None:
    assert own.get(f"{path}/{what}/{uuid4()}").code == "not_found"
    assert own.get(f"{path}/{what}/17").code == "invalid"
