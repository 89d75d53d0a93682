"""Law 6: within the caps, where days and months begin, where the owner changes them on the way, where rows are younger than charges."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import F
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.faults.automatic import CHARGE, dispute, freeze, lose_before_stripe, told
from tests.payments import DOLLAR, MoneyIn
from usage.tests.stage import Metering
from wallet.automatic_rule import Charged, Terms
from wallet.models import AutomaticPayments, Card, Notice, TopUp, Wallet
from wallet.services.automatic_charges import charged_so_far
from wallet.services.automatic_payments import switch_on
from wallet.services.holds import place_hold
from wallet.services.reconciliation import reconcile_since
from wallet.tests.builders import make_wallet
from workspaces.models import User


# ---------------------------------------------------------------- where days and months begin
@pytest.mark.parametrize(
    ("zone", "decided", "taken", "now", "today", "month"),
    [
        ("UTC", "2026-11-05T09:00Z", "2026-11-05T09:01Z", "2026-11-05T12:00Z", 1, 1),
        ("UTC", "2026-11-04T23:59Z", "2026-11-04T23:59Z", "2026-11-05T00:00Z", 0, 1),
        ("UTC", "2026-11-04T23:59Z", "2026-11-05T00:01Z", "2026-11-05T12:00Z", 1, 1),
        ("UTC", "2026-11-04T23:59Z", None, "2026-11-05T12:00Z", 1, 1),
        ("UTC", "2026-10-31T23:59Z", "2026-10-31T23:59Z", "2026-11-01T00:00Z", 0, 0),
        ("UTC", "2026-10-31T23:59Z", "2026-11-01T20:00Z", "2026-11-02T00:00Z", 0, 1),
        ("Pacific/Auckland", "2026-10-31T11:30Z", "2026-10-31T11:30Z", "2026-10-31T12:00Z", 1, 1),
        ("Atlantic/Azores", "2026-10-25T00:10Z", "2026-10-25T00:11Z", "2026-10-25T01:30Z", 1, 1),
        ("America/Havana", "2026-11-01T04:10Z", "2026-11-01T04:11Z", "2026-11-01T05:30Z", 1, 1),
        ("America/Santiago", "2026-09-06T04:00Z", "2026-09-06T04:00Z", "2026-09-06T05:00Z", 1, 1),
    ],
)
@pytest.mark.django_db
def test_it_counts_a_charge_in_every_day_and_month_that_it_touches(
    zone: str, decided: str, taken: str | None, now: str, today: int, month: int
) -> None:
    """Whatever the bank calls its day. On the Azores and in Cuba one night a year has two midnights: the first one counts."""
    wallet = make_wallet()
    wallet.workspace.time_zone = zone
    at = datetime.fromisoformat(taken) if taken else None
    ended = {"status": "succeeded", "resolved_at": at, "receipt_number": "W-000001"} if at else {"status": "unknown"}
    charge(wallet, created_at=datetime.fromisoformat(decided), **ended)

    assert charged_so_far(wallet, now=datetime.fromisoformat(now)) == Charged(month_micros=month * 25 * DOLLAR, today=today)


def charge(wallet: Wallet, **changes: Any) -> None:
    TopUp.objects.create(wallet=wallet, origin="automatic", amount_micros=25 * DOLLAR, request_id=uuid4().hex, **changes)


# ---------------------------------------------------------------- what they leave
def test_it_keeps_the_daily_charges_and_tells_once(active: MoneyIn) -> None:
    """B18."""
    for _ in range(8):
        active.use(25)
        active.work()

    assert active.outcomes() == [("succeeded", 25)] * 3, "three a day"
    assert told(Notice.Kind.CAP_REACHED) == 1


def test_it_goes_on_when_the_cap_opens_again(active: MoneyIn) -> None:
    """The need was set off by a use; the new day lets it be met without another."""
    for _ in range(4):
        active.use(25)
        active.work()
    TopUp.objects.update(created_at=F("created_at") - timedelta(days=1), resolved_at=F("resolved_at") - timedelta(days=1))
    AutomaticPayments.objects.update(next_try_at=timezone.now())

    active.sweep()

    assert active.outcomes() == [("succeeded", 25)] * 4


def test_it_fits_the_charge_into_what_the_cap_leaves(money_in: MoneyIn) -> None:
    money_in.give(30)
    money_in.switch_on(money_in.connect_card(), amount=25, monthly_cap=60, daily=10)

    money_in.use(100)
    money_in.work()
    assert money_in.outcomes() == [("succeeded", 50)], "not the 100 that the gap asks for"
    money_in.use(1)
    money_in.work()

    assert money_in.outcomes() == [("succeeded", 50)]
    assert money_in.rule.next_try_at is not None


# ---------------------------------------------------------------- the owner, on the way
@pytest.mark.parametrize("was_sent", [False, True])
@pytest.mark.parametrize("terms", [{"amount": 20, "monthly_cap": 20}, {"threshold": 5, "amount": 5, "monthly_cap": 40}])
def test_it_charges_nothing_past_a_cap_that_was_lowered_on_the_way(
    active: MoneyIn, sandbox: RunningSandbox, terms: dict[str, int], was_sent: bool
) -> None:
    """B20: decided on under the old terms and not charged yet, or sent and lost before Stripe: the sentence of now holds."""
    if was_sent:
        sandbox.fault("drop_before", match=CHARGE)
    active.use(50)
    active.work() if was_sent else active.lose_messages()
    active.switch_on(active.default_card, **terms)

    active.pass_time(seconds=61)
    active.sweep()

    assert (active.outcomes(), active.charges()) == ([("canceled", 50)], 0)
    active.pass_time(minutes=61)
    active.sweep()
    assert 0 < sum(dollars for status, dollars in active.outcomes() if status == "succeeded") <= terms["monthly_cap"]


@pytest.mark.parametrize("happens", [freeze, dispute])
def test_it_sends_nothing_again_where_charging_was_stopped(active: MoneyIn, happens: Any) -> None:
    """A19, D13: the first request was lost before Stripe had it."""
    lose_before_stripe(active)
    happens(active.wallet)

    active.pass_time(seconds=61)
    active.sweep()

    assert (active.outcomes(), active.charges()) == ([("canceled", 25)], 0)


def test_it_charges_no_card_that_its_owner_has_replaced_on_the_way(active: MoneyIn) -> None:
    """B11: not sent yet, so the card of now is charged, after a new decision."""
    active.use(25)
    active.lose_messages()
    active.switch_on(active.connect_card("pm_card_mastercard"))
    active.pass_time(seconds=61)
    active.sweep()
    assert (active.outcomes(), active.charges()) == ([("canceled", 25)], 0)

    active.pass_time(seconds=61)
    active.sweep()

    assert [(top_up.status, top_up.card and top_up.card.brand) for top_up in active.automatic()][1:] == [("succeeded", "mastercard")]


# ---------------------------------------------------------------- rows that are younger than the charges
def test_it_counts_what_a_restored_database_had_forgotten(
    active: MoneyIn, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B25: adopted from Stripe with its origin, beside the charge that was open when the backup was made."""
    sandbox.fault("reset_after", match=CHARGE)
    active.use(25)
    active.work()
    TopUp.objects.all().delete()
    charge(active.wallet, status="unknown", card=active.default_card)
    monkeypatch.setattr("wallet.services.reconciliation.ADOPT_AFTER", timedelta(hours=-1))

    reconcile_since()

    assert sorted(active.outcomes()) == [("succeeded", 25), ("unknown", 25)]
    assert charged_so_far(active.wallet, now=timezone.now()) == Charged(month_micros=50 * DOLLAR, today=2)


# ---------------------------------------------------------------- only what was charged
def test_it_counts_what_is_available_and_not_what_is_there(active: MoneyIn) -> None:
    """Money that is set aside for a call is not there to be used; setting it aside charges nothing."""
    place_hold(active.wallet.pk, amount_micros=22 * DOLLAR, reference="call", idempotency_key="hold", lifetime=timedelta(hours=1))
    assert active.outcomes() == []

    active.use(1)

    assert (active.outcomes(), active.balance) == ([("created", 25)], 29)


@pytest.mark.parametrize(("seconds", "charges"), [(0, 0), (60, 1)])
def test_it_charges_no_card_for_a_use_that_was_free(metering: Metering, seconds: int, charges: int) -> None:
    """Idle wallets are never charged: a call that nobody answered costs nothing, and sets nothing off."""
    card = Card.objects.create(
        wallet=metering.wallet, payment_method_id="pm_1", brand="visa", last_four="4242", expiry_month=1, expiry_year=2034, is_default=True
    )
    terms = Terms(threshold_micros=20 * DOLLAR, amount_micros=25 * DOLLAR, monthly_cap_micros=100 * DOLLAR)
    alice = User.objects.create_user("alice@example.com", "correct horse battery")
    metering.leave(30 * DOLLAR)
    switch_on(metering.wallet, terms=terms, card=card, consent_text="Charge my card.", consented_by=alice)
    metering.leave(9 * DOLLAR)

    metering.report_one(metering.event(data={"duration_seconds": seconds}))

    assert (metering.events, TopUp.objects.count()) == (1, charges)
