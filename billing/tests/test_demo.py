"""The demo workspaces: believable, true to the ledger, and made once."""

from collections import Counter
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from billing.demo import demo_password
from stripe_sandbox.testing import RunningSandbox
from tests.payments import MoneyIn
from usage.kinds import UsageKind
from wallet.models import Account, Kind, Origin, TopUp, Transfer, Wallet
from wallet.money import MICROS
from workspaces.models import Role, User, Workspace

pytestmark = pytest.mark.django_db


def seed(*arguments: str) -> str:
    printed = StringIO()
    call_command("seed_demo", *arguments, stdout=printed)
    return printed.getvalue()


def test_it_fills_two_months(settings: Any) -> None:
    seed()

    wallet = Wallet.objects.get(workspace__name="Northside Realty")
    rows = list(Transfer.objects.filter(wallet=wallet).order_by("seq"))
    assert {row.kind for row in rows} == {*UsageKind, Kind.TOP_UP, Kind.AUTOMATIC_PAYMENT, Kind.PROMOTION}
    assert timezone.now() - rows[0].posted_at > timedelta(days=62)
    assert [row.posted_at for row in rows] == sorted(row.posted_at for row in rows)
    assert rows[-1].posted_at < timezone.now()
    assert rows[-1].balance_after_micros == wallet.balance_micros == sum(row.change_micros for row in rows)
    assert min(row.balance_after_micros for row in rows) > 0
    assert any(row.amount_micros % 10_000 for row in rows)


def test_it_gives_each_credit_its_top_up_and_receipt() -> None:
    seed()

    booked = Transfer.objects.filter(debit=Account.STRIPE)
    paid = {f"{top_up.pk}": top_up.amount_micros for top_up in TopUp.objects.filter(status=TopUp.Status.SUCCEEDED)}
    assert {row.reference: row.amount_micros for row in booked} == paid
    assert len(paid) > 1
    assert all(top_up.receipt_number for top_up in TopUp.objects.all())


@pytest.mark.django_db(transaction=True)
def test_it_is_known_to_the_comparison_with_stripe(money_in: MoneyIn) -> None:
    """The sandbox has never seen its payments, and the first night would call them missing."""
    seed()

    call_command("reconcile", stdout=StringIO())


def test_it_charged_automatically_within_the_owners_limits() -> None:
    seed()

    wallet = Wallet.objects.get(workspace__name="Northside Realty")
    rule = wallet.automatic_payments
    charged = TopUp.objects.filter(wallet=wallet, origin=Origin.AUTOMATIC)
    when = [timezone.localtime(top_up.created_at, wallet.workspace.zone) for top_up in charged]
    assert rule.is_active
    assert rule.consented_at < min(when)
    assert max(Counter(moment.date() for moment in when).values()) <= rule.daily_charges_max
    months = Counter((moment.year, moment.month) for moment in when)
    assert max(months.values()) * 25 * MICROS <= rule.monthly_cap_micros
    assert wallet.available_micros >= rule.threshold_micros


@pytest.mark.django_db(transaction=True)
def test_it_leaves_the_books_in_order_and_a_card_that_can_be_charged(sandbox: RunningSandbox) -> None:
    seed()
    call_command("check_books", stdout=StringIO())

    wallet = Wallet.objects.get(workspace__name="Northside Realty")
    world = MoneyIn(sandbox=sandbox, wallet=wallet, alice=User.objects.get(email="owner@demo.example"))
    world.use(world.balance - 5)
    world.work()

    assert world.balance == 30
    call_command("check_books", stdout=StringIO())


def test_it_is_made_once() -> None:
    first = seed()
    rows = Transfer.objects.count()

    assert seed() == first
    assert (Workspace.objects.count(), User.objects.count(), Transfer.objects.count()) == (2, 3, rows)


def test_it_lets_each_of_them_sign_in() -> None:
    printed = seed()

    assert demo_password() in printed
    for email in ("owner@demo.example", "admin@demo.example", "member@demo.example"):
        assert email in printed
        response = Client().post("/accounts/login/", {"login": email, "password": demo_password()})
        assert (response.status_code, response["Location"]) == (302, "/")
    roles = {membership.role for membership in Workspace.objects.get(name="Northside Realty").memberships.all()}
    assert roles == set(Role)


def test_it_takes_another_password_and_says_so_later() -> None:
    assert "correct horse battery" in seed("--password", "correct horse battery")

    assert "with another password" in seed()


def test_it_has_another_password_on_every_installation(settings: Any) -> None:
    here = demo_password()
    settings.SECRET_KEY = "another installation"

    assert demo_password() != here


def test_it_shows_the_red_bar_on_the_empty_workspace() -> None:
    seed()
    client = Client()
    client.force_login(User.objects.get(email="owner@demo.example"))

    empty = Workspace.objects.get(name="Harbor Dental")

    assert "Connect your wallet" in client.get(f"/w/{empty.public_id}/settings/billing").content.decode()


def test_it_stays_away_from_real_customers(settings: Any) -> None:
    settings.STRIPE_LIVE = True

    with pytest.raises(CommandError):
        seed()
    assert not Workspace.objects.exists()
