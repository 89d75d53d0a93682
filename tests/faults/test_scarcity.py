"""X5: no connection to be had, no room on the disk. Who asks is told to come again; nothing is half done, and nothing is lost."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client

from stripe_sandbox.testing import RunningSandbox
from tests import servers
from tests.payments import MoneyIn
from usage.models import Event, KeptEvent
from usage.tests.stage import DOLLAR, MINUTE_MICROS, Metering
from wallet import stripe_gateway
from wallet.models import TopUp, Transfer, WebhookEvent
from wallet.services.cards import save_card
from wallet.services.checkout import open_checkout
from wallet.stripe_objects import CardDetails, Payment
from wallet.tasks import charge_top_up as charge_top_up_task
from wallet.tests.books import assert_books_balance
from wallet.tests.builders import automatic_payments_of
from workspaces.models import User

FULL_DISK = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_room BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION no_room();
"""


def _admin(statement: str) -> None:
    admin = psycopg2.connect(servers.provide().admin_url)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(statement)
    admin.close()


@contextmanager
def no_connection_left() -> Iterator[None]:
    """As if all of PostgreSQL's connections were taken: ours are closed, and no new one is given."""
    name = urlsplit(os.environ["DATABASE_URL"]).path.lstrip("/")
    connection.close()
    _admin(f'ALTER DATABASE "{name}" CONNECTION LIMIT 0')
    try:
        yield
    finally:
        connection.close()
        _admin(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1')


@contextmanager
def no_room_in(table: str, owner: Any) -> Iterator[None]:
    """As if the disk were full just when a row is to be added there."""
    with owner.cursor() as cursor:
        cursor.execute(FULL_DISK.format(table=table))
    try:
        yield
    finally:
        with owner.cursor() as cursor:
            cursor.execute(f"DROP TRIGGER no_room ON {table}; DROP FUNCTION no_room()")


@pytest.mark.django_db(transaction=True)
def test_it_asks_to_come_again_when_no_connection_is_left(metering: Metering) -> None:
    event = metering.event()
    owner = User.objects.create_user("alice@example.com")
    browser = Client(raise_request_exception=False)
    browser.force_login(owner, backend=settings.AUTHENTICATION_BACKENDS[0])
    with no_connection_left():
        answers = [metering.report(event), metering.hold(), metering.look()]
        page = browser.get(f"/w/{metering.subject}/settings/billing")

    assert [(answer.status, answer.code) for answer in answers] == [(503, "unavailable")] * 3
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5"), "not even the session can be read"
    assert "Nothing was changed" in page.content.decode()
    assert metering.events == KeptEvent.objects.count() == 0
    assert [metering.report(event).status for _ in range(2)] == [204, 204]
    assert metering.charged == MINUTE_MICROS


def test_it_has_stripe_send_a_webhook_again_when_no_connection_is_left(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link()))
    (event,) = money_in.events("payment_intent.succeeded")
    with no_connection_left():
        assert money_in.post(event).status_code == 503
    assert WebhookEvent.objects.count() == 0

    money_in.deliver()

    assert money_in.moves() == [("top_up", 20)]


def test_it_credits_once_when_no_connection_was_left_after_the_charge(money_in: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """B17: Stripe has charged, and there is nowhere to write it down."""
    money_in.give(30)
    money_in.switch_on(money_in.connect_card())
    money_in.use(25)
    (top_up,) = money_in.automatic()
    charge_card = stripe_gateway.charge_card

    def charge_and_be_cut_off(**wish: Any) -> Payment:
        payment = charge_card(**wish)
        connection.close()
        _admin(f'ALTER DATABASE "{name}" CONNECTION LIMIT 0')
        return payment

    name = urlsplit(os.environ["DATABASE_URL"]).path.lstrip("/")
    monkeypatch.setattr(stripe_gateway, "charge_card", charge_and_be_cut_off)
    try:
        with pytest.raises(OperationalError, match="too many connections"):
            charge_top_up_task(str(top_up.pk))
    finally:
        _admin(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1')
    monkeypatch.undo()
    assert (money_in.outcomes(), money_in.charges()) == ([("sending", 25)], 1)

    money_in.pass_time(seconds=61)
    money_in.sweep()

    assert money_in.outcomes() == [("succeeded", 25)]
    assert (money_in.charges(), money_in.moves()[-1]) == (1, ("automatic_payment", 25))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["wallet_transfer", "usage_event", "wallet_topup"])
def test_it_takes_a_use_whole_or_not_at_all_when_the_disk_is_full(metering: Metering, owner_connection: Any, table: str) -> None:
    """The first, a middle and the last table that a use writes: its charge, its event, and the automatic payment that it sets off."""
    let_it_charge(metering)
    transfers, event = Transfer.objects.count(), metering.event()

    with no_room_in(table, owner_connection):
        answer = metering.report(event)

    assert (answer.status, answer.code) == (503, "overloaded")
    assert (Transfer.objects.count(), Event.objects.count(), TopUp.objects.count(), KeptEvent.objects.count()) == (transfers, 0, 0, 0)
    assert metering.balance == 10 * DOLLAR
    assert [metering.report(event).status for _ in range(2)] == [204, 204]
    assert (metering.charged, TopUp.objects.count()) == (MINUTE_MICROS, 1)
    assert_books_balance()


def let_it_charge(metering: Metering) -> None:
    """Automatic payments that the next use sets off."""
    save_card(metering.wallet.pk, CardDetails("pm_1", "visa", "4242", 1, 2040, "print", "cus_1", reusable=True), connected_by=None)
    automatic_payments_of(metering.wallet)
