"""The wallet's part of the API: workspaces, balances, history, payment links and top-ups."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from wallet.ledger import post
from wallet.models import AutomaticPayments, Origin, PaymentLink, TopUp, Wallet
from wallet.services.payment_links import find_payment_link, link_state, mark_withdrawn
from wallet.tests.builders import DOLLAR, adjustment, charge, make_wallet, open_top_up
from workspaces.models import IdempotentRequest, Invitation, Membership, Role, Scope, User, Workspace
from workspaces.tests.api_caller import Caller, caller, new_key

pytestmark = pytest.mark.django_db

PAY_20 = {"purpose": "pay", "amount_micros": 20 * DOLLAR}


@pytest.fixture
def wallet() -> Wallet:
    return make_wallet()


@pytest.fixture
def path(wallet: Wallet) -> str:
    return f"/wallets/{wallet.workspace.public_id}"


@pytest.fixture
def own(wallet: Wallet) -> Caller:
    """A caller with the workspace's own key."""
    return caller(wallet.workspace)


@pytest.fixture
def platform() -> Caller:
    """A caller with the platform's key."""
    return caller(None)


# ---------------------------------------------------------------- workspaces
def new_workspace(**changes: Any) -> dict[str, Any]:
    return {"external_id": "customer-1042", "name": "Acme, Inc.", "currency": "usd", "time_zone": "Europe/Berlin"} | changes


def test_it_makes_a_workspace_with_its_wallet(platform: Caller) -> None:
    answer = platform.post("/workspaces", new_workspace())

    assert answer.status == 201
    made = Workspace.objects.get()
    assert made.wallet.currency == "usd"
    assert answer.body == {
        "id": made.public_id,
        "external_id": "customer-1042",
        "name": "Acme, Inc.",
        "currency": "usd",
        "time_zone": "Europe/Berlin",
        "created_at": made.created_at.isoformat().replace("+00:00", "Z"),
    }


def test_it_finds_the_workspace_that_is_there_and_leaves_it_as_it_is(platform: Caller) -> None:
    first = platform.post("/workspaces", new_workspace())

    again = platform.post("/workspaces", new_workspace(name="Another name", time_zone="UTC"))

    assert (again.status, again.body) == (200, first.body)
    assert platform.get("/workspaces/customer-1042").body == first.body
    assert platform.get(f"/workspaces/{first.body['id']}").body == first.body


def test_it_changes_no_wallets_currency(platform: Caller) -> None:
    platform.post("/workspaces", new_workspace())

    answer = platform.post("/workspaces", new_workspace(currency="eur"))

    assert (answer.status, answer.code, answer.body["currency"]) == (409, "currency_fixed", "usd")


def test_it_invites_an_owner_once(platform: Caller) -> None:
    for _ in range(2):
        platform.post("/workspaces", new_workspace(owner_email="owner@acme.example"))

    invitation = Invitation.objects.get()
    assert (invitation.email, invitation.role, invitation.invited_by) == ("owner@acme.example", Role.OWNER, None)


def test_it_invites_nobody_where_somebody_is(platform: Caller) -> None:
    platform.post("/workspaces", new_workspace())
    alice = User.objects.create_user("alice@acme.example")
    Membership.objects.create(workspace=Workspace.objects.get(), user=alice, role=Role.OWNER)

    platform.post("/workspaces", new_workspace(owner_email="mallory@acme.example"))

    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"external_id": ""}, "#/external_id"),
        ({"external_id": "a b"}, "#/external_id"),
        ({"external_id": "a/b"}, "#/external_id"),
        ({"external_id": "ü"}, "#/external_id"),
        ({"external_id": "x" * 201}, "#/external_id"),
        ({"external_id": 7}, "#/external_id"),
        ({"external_id": None}, "#/external_id"),
        ({"name": ""}, "#/name"),
        ({"name": "   "}, "#/name"),
        ({"name": "a\nb"}, "#/name"),
        ({"name": "a\0b"}, "#/name"),
        ({"name": "\ud800"}, "#/name"),
        ({"name": "x" * 101}, "#/name"),
        ({"currency": "USD"}, "#/currency"),
        ({"currency": "zzz"}, "#/currency"),
        ({"time_zone": "Mars/Olympus"}, "#/time_zone"),
        ({"time_zone": "../etc/passwd"}, "#/time_zone"),
        ({"owner_email": "nobody"}, "#/owner_email"),
        ({"owner_email": "a@b.example\nBcc: c@d.example"}, "#/owner_email"),
    ],
)
def test_it_says_what_is_wrong_with_a_workspace(platform: Caller, changes: dict[str, Any], pointer: str) -> None:
    answer = platform.post("/workspaces", new_workspace(**changes))

    assert (answer.status, answer.code) == (422, "invalid")
    assert answer.body["errors"][0]["pointer"] == pointer
    assert not Workspace.objects.exists()


def test_it_takes_no_external_id_that_looks_like_ours(platform: Caller) -> None:
    victim = Workspace.objects.create(name="Victim")

    answer = platform.post("/workspaces", new_workspace(external_id=victim.public_id))

    assert (answer.status, answer.code) == (422, "external_id_refused")


def test_it_lets_only_the_platform_make_workspaces(own: Caller) -> None:
    assert own.post("/workspaces", new_workspace()).code == "scope_missing"


# ---------------------------------------------------------------- mass assignment (faults: S15)
@pytest.mark.parametrize(
    "name", ["tenant_id", "workspace", "id", "public_id", "balance", "balance_micros", "role", "is_staff", "status", "amount"]
)
def test_it_refuses_members_that_it_does_not_know_by_name(platform: Caller, own: Caller, path: str, name: str) -> None:
    for answer in (
        platform.post("/workspaces", new_workspace(**{name: 1})),
        own.post(f"{path}/payment-links", PAY_20 | {name: 1}, key=new_key()),
    ):
        assert (answer.status, answer.code) == (422, "invalid")
        assert answer.body["errors"] == [{"detail": "This is not known here: remove it.", "pointer": f"#/{name}"}]
    assert Workspace.objects.count() == 1
    assert not PaymentLink.objects.exists()


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
    AutomaticPayments.objects.create(
        wallet=wallet,
        is_active=True,
        threshold_micros=10 * DOLLAR,
        amount_micros=25 * DOLLAR,
        monthly_cap_micros=100 * DOLLAR,
        daily_charges_max=3,
        consented_at=timezone.now(),
        suspended_at=timezone.now(),
        suspension=AutomaticPayments.Suspension.CARD_REFUSED,
    )
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


# ---------------------------------------------------------------- payment links
def test_it_makes_a_link_that_opens(own: Caller, wallet: Wallet, path: str) -> None:
    answer = own.post(f"{path}/payment-links", PAY_20, key=new_key())

    link = PaymentLink.objects.get()
    assert answer.status == 201
    assert answer.body["id"] == str(link.pk)
    assert (answer.body["purpose"], answer.body["amount_micros"], answer.body["currency"]) == ("pay", 20 * DOLLAR, "usd")
    assert (answer.body["state"], answer.body["top_up"], answer.body["used_at"]) == ("open", None, None)
    assert find_payment_link(answer.body["url"].rpartition("/")[2]) == link
    assert link.wallet == wallet


def test_it_makes_a_link_to_connect_a_card(own: Caller, path: str) -> None:
    answer = own.post(f"{path}/payment-links", {"purpose": "connect_card"}, key=new_key())

    assert (answer.status, answer.body["amount_micros"]) == (201, None)


@pytest.mark.parametrize(
    "written",
    [
        "0", "-1", "-20000000", "0.001", "20000000.0", "1e9", "2e7", "NaN", "Infinity", "-Infinity", '"20000000"', '"1"', '"２００"', "٢٠",
        "true", "null", "[20000000]", "{}", "9223372036854775808", "1" + "0" * 30, "1" * 5000, "00020000000", "+20000000", "0x10",
        "20_000_000",
    ],
)  # fmt: skip
def test_it_takes_whole_positive_micros_alone(own: Caller, path: str, written: str) -> None:
    body = f'{{"purpose": "pay", "amount_micros": {written}}}'

    answer = own.send("POST", f"{path}/payment-links", body=body, headers={"Idempotency-Key": new_key()})

    assert answer.status in (400, 422), answer.raw
    assert answer.code in ("malformed", "invalid")
    assert not PaymentLink.objects.exists()


@pytest.mark.parametrize(
    ("amount_micros", "code"), [(1, "amount_out_of_range"), (10_000 * DOLLAR, "amount_out_of_range"), (20_000_001, "inexact_amount")]
)
def test_it_says_which_amounts_can_be_paid(own: Caller, path: str, amount_micros: int, code: str) -> None:
    answer = own.post(f"{path}/payment-links", PAY_20 | {"amount_micros": amount_micros}, key=new_key())

    assert (answer.status, answer.code) == (422, code)


@pytest.mark.parametrize(
    "body",
    [
        {"purpose": "pay"},
        {"purpose": "connect_card", "amount_micros": DOLLAR},
        {"purpose": "gift", "amount_micros": DOLLAR},
        {"amount_micros": DOLLAR},
        {},
        [],
        "pay",
        None,
    ],
)
def test_it_refuses_links_that_make_no_sense(own: Caller, path: str, body: Any) -> None:
    assert own.post(f"{path}/payment-links", body, key=new_key()).code == "invalid"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"purpose": "pay",}',
        b"[" * 50_000,
        b"pay",
        b'{"purpose": "pay"} x',
        b'\xef\xbb\xbf{"purpose": "pay", "amount_micros": 20000000}',
    ],
)
def test_it_reads_json_alone(own: Caller, path: str, body: bytes) -> None:
    answer = own.send("POST", f"{path}/payment-links", body=body, headers={"Idempotency-Key": new_key()})

    assert (answer.status, answer.code) == (400, "malformed")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""])
def test_it_wants_the_content_type_of_json(own: Caller, path: str, content_type: str) -> None:
    headers = {"Idempotency-Key": new_key()}

    answer = own.send("POST", f"{path}/payment-links", body='{"purpose": "connect_card"}', content_type=content_type, headers=headers)

    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("size", [70_000, 6_000_000])
def test_it_takes_no_body_that_is_too_large(own: Caller, path: str, size: int) -> None:
    answer = own.send("POST", f"{path}/payment-links", body=" " * size, headers={"Idempotency-Key": new_key()})

    assert (answer.status, answer.code) == (413, "too_large")


def test_it_makes_no_link_for_a_wallet_that_is_closed(own: Caller, path: str) -> None:
    Wallet.objects.update(closed_at=timezone.now())

    answer = own.post(f"{path}/payment-links", PAY_20, key=new_key())

    assert (answer.status, answer.code) == (409, "wallet_closed")


def test_it_lists_links_newest_first_in_two_queries_more_than_one(own: Caller, path: str) -> None:
    made = [own.post(f"{path}/payment-links", PAY_20, key=new_key()).body["id"] for _ in range(5)]

    with CaptureQueriesContext(connection) as few:
        first = own.get(f"{path}/payment-links?limit=1").body
    with CaptureQueriesContext(connection) as many:
        rest = own.get(f"{path}/payment-links?limit=4&cursor={first['next']}").body

    assert [link["id"] for page in (first, rest) for link in page["data"]] == made[::-1]
    assert rest["next"] is None
    # One more, to find where the page before ended.
    assert len(many) == len(few) + 1


def test_it_shows_no_address_once_a_link_is_over(own: Caller, path: str) -> None:
    answer = own.post(f"{path}/payment-links", PAY_20, key=new_key())
    PaymentLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    link = own.get(f"{path}/payment-links/{answer.body['id']}").body

    assert (link["state"], link["url"]) == ("expired", None)


def test_it_withdraws_a_link_as_often_as_it_is_asked(own: Caller, path: str) -> None:
    made = own.post(f"{path}/payment-links", PAY_20, key=new_key()).body

    answers = [own.post(f"{path}/payment-links/{made['id']}/withdraw") for _ in range(2)]

    assert [(answer.status, answer.body["state"], answer.body["url"]) for answer in answers] == [(200, "withdrawn", None)] * 2
    assert link_state(PaymentLink.objects.get()) == "withdrawn"


def test_it_withdraws_although_stripe_is_away(own: Caller, path: str) -> None:
    made = own.post(f"{path}/payment-links", PAY_20, key=new_key()).body
    link = PaymentLink.objects.get()
    TopUp.objects.create(
        wallet=link.wallet,
        origin="payment_link",
        amount_micros=link.amount_micros or 0,
        request_id="r",
        payment_link=link,
        checkout_session_id="cs_1",
        checkout_expires_at=timezone.now() + timedelta(hours=1),
        next_check_at=timezone.now() + timedelta(hours=1),
    )

    answer = own.post(f"{path}/payment-links/{made['id']}/withdraw")

    assert (answer.status, answer.body["state"]) == (200, "withdrawn")
    assert answer.body["top_up"] == str(TopUp.objects.get().pk)


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


# ---------------------------------------------------------------- at most once
def test_it_answers_a_repeat_what_was_answered_first(own: Caller, path: str) -> None:
    key = new_key()

    first, again = (own.post(f"{path}/payment-links", PAY_20, key=key) for _ in range(2))

    assert (again.status, again.body) == (first.status, first.body)
    assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
    assert PaymentLink.objects.count() == 1


def test_it_takes_the_same_members_in_another_order_for_the_same(own: Caller, path: str) -> None:
    key = new_key()
    own.post(f"{path}/payment-links", PAY_20, key=key)

    again = own.post(f"{path}/payment-links", dict(reversed(PAY_20.items())), key=key)

    assert again.status == 201


def test_it_answers_as_at_first_after_the_link_was_used(own: Caller, path: str) -> None:
    key = new_key()
    first = own.post(f"{path}/payment-links", PAY_20, key=key)
    mark_withdrawn(PaymentLink.objects.get())

    assert own.post(f"{path}/payment-links", PAY_20, key=key).body == first.body


def test_it_refuses_a_key_for_something_else(own: Caller, path: str) -> None:
    key = new_key()
    own.post(f"{path}/payment-links", PAY_20, key=key)

    other = own.post(f"{path}/payment-links", PAY_20 | {"amount_micros": 30 * DOLLAR}, key=key)

    assert (other.status, other.code) == (409, "idempotency_conflict")
    assert PaymentLink.objects.count() == 1


@pytest.mark.parametrize("key", [None, "", "x" * 201, "two words", "ü", "a\tb"])
def test_it_wants_an_idempotency_key(own: Caller, path: str, key: str | None) -> None:
    answer = own.post(f"{path}/payment-links", PAY_20, key=key)

    assert (answer.status, answer.code) == (400, "idempotency_key_required")
    assert not PaymentLink.objects.exists()


def test_it_does_not_use_a_key_up_for_a_refusal(own: Caller, path: str) -> None:
    key = new_key()
    Wallet.objects.update(closed_at=timezone.now())
    assert own.post(f"{path}/payment-links", PAY_20, key=key).status == 409

    Wallet.objects.update(closed_at=None)

    assert own.post(f"{path}/payment-links", PAY_20, key=key).status == 201


def test_it_keeps_tenants_keys_apart(own: Caller, path: str, platform: Caller) -> None:
    other = make_wallet(name="Charlie's Café")
    key = new_key()
    theirs = f"/wallets/{other.workspace.public_id}/payment-links"

    answers = [own.post(f"{path}/payment-links", PAY_20, key=key), caller(other.workspace).post(theirs, PAY_20, key=key)]
    answers.append(platform.post(theirs, PAY_20 | {"amount_micros": 50 * DOLLAR}, key=key))

    assert [answer.status for answer in answers] == [201, 201, 201]
    assert len({answer.body["id"] for answer in answers}) == 3


def test_it_is_the_same_retry_from_another_key_of_the_same_tenant(wallet: Wallet, own: Caller, path: str) -> None:
    key = new_key()
    first = own.post(f"{path}/payment-links", PAY_20, key=key)

    again = caller(wallet.workspace, Scope.WALLET_WRITE).post(f"{path}/payment-links", PAY_20, key=key)

    assert again.body == first.body


def test_it_keeps_no_address_of_a_payment_page(own: Caller, path: str) -> None:
    answer = own.post(f"{path}/payment-links", PAY_20, key=new_key())

    token = answer.body["url"].rpartition("/")[2]
    assert token not in str(IdempotentRequest.objects.values().get())
    assert token not in str(PaymentLink.objects.values().get())


def test_it_makes_no_second_link_long_after_the_answer_was_forgotten(own: Caller, path: str) -> None:
    key = new_key()
    first = own.post(f"{path}/payment-links", PAY_20, key=key)
    IdempotentRequest.objects.all().delete()

    again = own.post(f"{path}/payment-links", PAY_20, key=key)

    assert again.body["id"] == first.body["id"]
