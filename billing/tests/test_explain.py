"""Explain this charge: the sum as it was done, on examples that were done by hand."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.explain import explanation
from billing.tests.conftest import SignedIn
from billing.tests.uses import event, newest, report, set_prices
from usage.services.holds import UseRequest, hold_for_use
from wallet.ledger import post
from wallet.models import Wallet
from wallet.tests.builders import DOLLAR, adjustment, paid_top_up, promotion_of
from workspaces.models import User

pytestmark = pytest.mark.django_db


def facts_of(wallet: Wallet) -> dict[str, str]:
    """What is said of the newest row."""
    wallet.refresh_from_db()
    return {fact.label: fact.text for fact in explanation(wallet, newest(wallet)).facts}


@pytest.mark.parametrize(
    ("price", "used", "said"),
    [
        (
            # 62 s in steps of 6 s are 66 s; 66 × 15,000 ÷ 60 = 16,500 micros.
            {},
            {"duration_seconds": 62},
            {
                "Measured": "62 s (1 min 02 s)",
                "Price": "$0.0150 per 60 s, standard price",
                "Matched": "+1, the longest beginning of +1\u00a0415\u00a0555\u00a00142 that has a price",
                "Billed by": "Every 6 s begun",
                "Billed": "66 s",
                "Sum": "66 s × $0.0150 per 60 s = $0.016500",
                "Rounding": "None: the sum is exact",
            },
        ),
        (
            # 8 × 10,000 ÷ 60 = 1,333⅓: a third of a micro is dropped.
            {"price_micros": 10_000, "first_block": 1, "step": 1},
            {"duration_seconds": 8},
            {
                "Measured": "8 s",
                "Billed by": "Each second",
                "Sum": "8 s × $0.0100 per 60 s = $0.001333",
                "Rounding": "Half up at $0.000001: the exact sum is 1/3 of $0.000001 more",
            },
        ),
        (
            # 1 × 90 ÷ 60 = 1½, which is rounded up to 2.
            {"price_micros": 90, "first_block": 1, "step": 1},
            {"duration_seconds": 1},
            {
                "Sum": "1 s × $0.00009 per 60 s = $0.000002",
                "Rounding": "Half up at $0.000001: the exact sum is 1/2 of $0.000001 less",
            },
        ),
        (
            # 30/6 with a set-up fee of 5 cents: 31 s are 36 s; 36 × 60,000 ÷ 60 + 50,000 = 86,000.
            {"price_micros": 60_000, "first_block": 30, "step": 6, "setup_fee_micros": 50_000, "prefix": ""},
            {"duration_seconds": 31},
            {
                "Price": "$0.0600 per 60 s and $0.0500 set-up, standard price",
                "Matched": "+1\u00a0415\u00a0555\u00a00142: the price for every number without one of its own",
                "Billed by": "The first 30 s whole, then every 6 s begun",
                "Sum": "36 s × $0.0600 per 60 s + set-up $0.0500 = $0.086000",
            },
        ),
        ({}, {"answered": False}, {"Measured": "Not answered: nothing is charged", "Billed": "0 s"}),
    ],
)
def test_it_writes_the_sum_out(wallet: Wallet, price: dict[str, Any], used: dict[str, Any], said: dict[str, str]) -> None:
    set_prices(**price)

    report(event(wallet, **used))

    facts = facts_of(wallet)
    assert {label: facts[label] for label in said} == said


def test_it_splits_a_use_over_tiers(wallet: Wallet) -> None:
    tiers = [{"up_to": 1_000, "price_micros": 50_000}, {"up_to": None, "price_micros": 40_000}]
    set_prices(tiers=tiers, price_micros=50_000, per_units=1, first_block=1, step=1)

    # 900 of the month are used up, so that 100 of the next 150 fall into the first tier: 100 × 5 c + 50 × 4 c = $7.
    report(event(wallet, duration_seconds=900))
    report(event(wallet, duration_seconds=150))

    facts = facts_of(wallet)
    assert facts["This month before"] == "900 s"
    assert facts["Price"] == "by the month’s use, per 1 s: $0.0500 up to 1,000, $0.0400 after that, standard price"
    assert facts["Sum"] == "100 s × $0.0500 per 1 s + 50 s × $0.0400 per 1 s = $7.000000"
    assert newest(wallet).amount_micros == 7 * DOLLAR


def test_it_writes_what_was_charged_whatever_the_price(wallet: Wallet) -> None:
    set_prices(price_micros=12_345, per_units=7, first_block=11, step=3, setup_fee_micros=999)
    for seconds in (1, 11, 12, 59, 3_601):
        report(event(wallet, duration_seconds=seconds))

        written = facts_of(wallet)["Sum"].rpartition("= $")[2]

        assert int(written.replace(".", "")) == newest(wallet).amount_micros


def test_it_says_what_was_paid_from_given_credit(wallet: Wallet) -> None:
    set_prices()
    promotion_of(wallet, 10_000)
    report(event(wallet))

    assert facts_of(wallet)["Paid from"] == "$0.0100 of credit given to you, $0.0065 of balance you paid for"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (62, "$0.0300 was set aside before, $0.0165 charged, $0.0135 given back"),
        (240, "$0.0300 was set aside before, $0.0600 charged: $0.0300 more"),
    ],
)
def test_it_tells_what_became_of_the_hold(wallet: Wallet, seconds: int, said: str) -> None:
    rate = set_prices()
    post(wallet.pk, [adjustment(DOLLAR)])
    request = UseRequest(meter=rate.meter, destination="+14155550142", expected_quantity=120)
    held = hold_for_use(wallet.pk, request, idempotency_key="hold")
    assert held.hold

    report(event(wallet, duration_seconds=seconds, hold=str(held.hold.id)))

    assert facts_of(wallet)["Hold"] == said


def test_it_says_that_a_use_was_late(alices: Client, wallet: Wallet, page: str) -> None:
    set_prices()
    report(event(wallet, at=timezone.now() - timedelta(days=45), event_id="evt-late"))

    body = alices.get(f"{page}/transactions/{newest(wallet).seq}").content.decode()

    assert "counts as an adjustment in" in body
    assert "evt-late" in body
    assert "/calls/eu-1" in body


def test_it_says_that_emergency_calls_are_free(wallet: Wallet) -> None:
    set_prices()
    report(event(wallet, to="112"))

    facts = facts_of(wallet)
    assert "Emergency" in facts["Price"]
    assert "Sum" not in facts


def test_it_leads_from_a_top_up_to_its_receipt(alices: Client, wallet: Wallet, page: str) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(stripe_customer_id="cus_1")
    wallet.refresh_from_db()
    top_up = paid_top_up(wallet, 20 * DOLLAR)

    body = alices.get(f"{page}/transactions/1").content.decode()

    assert f'href="{page}/receipts/{top_up.receipt_number}"' in body


def test_it_answers_htmx_with_the_explanation_alone(alices: Client, wallet: Wallet, page: str) -> None:
    set_prices()
    report(event(wallet))

    alone = alices.get(f"{page}/transactions/1", headers={"HX-Request": "true"}).content.decode()
    whole = alices.get(f"{page}/transactions/1").content.decode()

    assert "<html" not in alone
    assert "<html" in whole
    assert "66 s × $0.0150 per 60 s" in alone
    assert "66 s × $0.0150 per 60 s" in whole


def test_it_explains_nothing_to_bob_or_charlie(bob: User, charlie: User, signed_in: SignedIn, wallet: Wallet, page: str) -> None:
    set_prices()
    report(event(wallet))

    assert signed_in(bob).get(f"{page}/transactions/1").status_code == 403
    assert signed_in(charlie).get(f"{page}/transactions/1").status_code == 404


def test_it_explains_no_row_of_another_wallet(alices: Client, wallet: Wallet, elsewhere: Wallet, page: str) -> None:
    set_prices()
    report(event(elsewhere))

    for seq in ("1", "2", "9" * 30):
        assert alices.get(f"{page}/transactions/{seq}").status_code == 404


def test_it_asks_as_often_however_long_the_book_is(wallet: Wallet) -> None:
    set_prices()
    report(event(wallet, agent="Sales agent"))
    with CaptureQueriesContext(connection) as of_one:
        facts_of(wallet)
    report(*(event(wallet, agent="Sales agent") for _ in range(60)))

    with CaptureQueriesContext(connection) as of_many:
        facts_of(wallet)

    assert len(of_one) == len(of_many)
