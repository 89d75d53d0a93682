"""Processes killed with -9, and a database that goes away, at the worst moments: rows A2, A3, B2, B3 and B17 of the fault matrix."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from django.db import InterfaceError, OperationalError, connection

from stripe_sandbox.testing import RunningSandbox
from tests import servers
from tests.faults.processes import process_that, wait_until
from tests.payments import MoneyIn
from wallet import stripe_gateway
from wallet.models import PaymentLink, TopUp, WebhookEvent
from wallet.services.checkout import open_checkout
from wallet.services.top_ups import charge_top_up
from wallet.stripe_objects import Payment

Status = TopUp.Status

CHARGE = "from wallet.services.top_ups import charge_top_up as act"
HANDLE = "from wallet.services.inbox import handle_event as act"
OPEN = """from wallet.models import PaymentLink
from wallet.services.checkout import open_checkout
def act(key): open_checkout(PaymentLink.objects.get(pk=key))"""


@contextmanager
def wallet_locked(money_in: MoneyIn) -> Iterator[Callable[[], int]]:
    """Somebody holds the wallet's row lock; the function counts who waits for it."""
    holder = psycopg2.connect(os.environ["DATABASE_URL"])
    with holder.cursor() as cursor:
        cursor.execute("SELECT 1 FROM wallet_wallet WHERE workspace_id = %s FOR UPDATE", [money_in.wallet.pk])

    def waiting() -> int:
        # On another connection: within the holder's transaction the view would not change.
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
            (count,) = cursor.fetchone()
            return int(count)

    try:
        yield waiting
    finally:
        holder.rollback()
        holder.close()


def sweep_later(money_in: MoneyIn) -> None:
    money_in.pass_time(minutes=3)
    money_in.sweep()


def test_it_credits_once_when_killed_before_stripes_yes_was_read(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """B3: Stripe has charged, its answer is on the way, the process is gone."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())
    sandbox.fault("delay_after", match="payment_intents.create", seconds=8)

    with process_that(CHARGE, top_up.pk, sandbox=sandbox):
        wait_until(money_in.charges)
    assert (money_in.read(top_up).status, money_in.balance) == (Status.SENDING, 0)

    sweep_later(money_in)

    assert (money_in.charges(), money_in.moves()) == (1, [("top_up", 20)])
    assert money_in.read(top_up).status == Status.SUCCEEDED


def test_it_credits_once_when_killed_between_stripes_yes_and_our_commit(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """B3: the answer was read, the transaction that credits was open, the process is gone."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())

    with wallet_locked(money_in) as waiting, process_that(CHARGE, top_up.pk, sandbox=sandbox):
        wait_until(waiting)
    assert (money_in.charges(), money_in.balance) == (1, 0)
    assert money_in.read(top_up).status == Status.SENDING

    sweep_later(money_in)

    assert (money_in.charges(), money_in.moves()) == (1, [("top_up", 20)])


def test_it_charges_once_when_killed_while_stripe_is_at_it(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """B2: the request was sent, nobody waits for its answer, and the sweep asks before Stripe is done."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())
    sandbox.fault("delay_before", match="payment_intents.create", seconds=2)
    with process_that(CHARGE, top_up.pk, sandbox=sandbox):
        wait_until(lambda: money_in.read(top_up).status == Status.SENDING)
        time.sleep(0.5)

    for _ in range(3):
        sweep_later(money_in)
        time.sleep(1)
    sweep_later(money_in)

    assert (money_in.charges(), money_in.moves()) == (1, [("top_up", 20)])


def test_it_handles_an_event_whose_worker_was_killed(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A13: killed with the event claimed and the credit not committed."""
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link()))
    (event,) = money_in.events("payment_intent.succeeded")
    money_in.post(event)
    money_in.lose_messages()

    with wallet_locked(money_in) as waiting, process_that(HANDLE, event["id"], sandbox=sandbox):
        wait_until(waiting)
    kept = WebhookEvent.objects.get()
    assert (kept.status, kept.attempts, money_in.balance) == (WebhookEvent.Status.RECEIVED, 1, 0)

    sweep_later(money_in)

    assert money_in.moves() == [("top_up", 20)]
    assert WebhookEvent.objects.get().status == WebhookEvent.Status.HANDLED


def test_it_opens_the_same_session_after_being_killed_while_opening_it(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A3: the session was made, its id was never stored."""
    link = money_in.ask_for_link()
    sandbox.fault("delay_after", match="checkout.sessions.create", seconds=8)
    with process_that(OPEN, link.pk, sandbox=sandbox):
        wait_until(lambda: sandbox.state()["checkout_sessions"])
    assert TopUp.objects.get().checkout_session_id is None

    address = open_checkout(PaymentLink.objects.get())

    assert len(sandbox.state()["checkout_sessions"]) == 1
    sandbox.pay_checkout(address)
    money_in.deliver()
    assert money_in.moves() == [("top_up", 20)]


# ---------------------------------------------------------------- PostgreSQL goes away
def cut_off() -> None:
    """As if PostgreSQL had been restarted: our connection is gone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    admin = psycopg2.connect(servers.provide().admin_url)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    admin.close()


def test_it_sends_nothing_when_the_database_is_away_before(money_in: MoneyIn) -> None:
    """B17: without its row marked as sending nothing is sent."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())
    cut_off()

    with pytest.raises((OperationalError, InterfaceError)):
        charge_top_up(top_up.pk)
    connection.close()

    assert money_in.requests("payment_intents.create") == []
    assert charge_top_up(top_up.pk).status == Status.SUCCEEDED


def test_it_credits_once_when_the_database_was_away_after(money_in: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """B17: charged, and nowhere to write it down: the row still says sending, and the sweep asks."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())
    charge_card = stripe_gateway.charge_card

    def charge_and_be_cut_off(**wish: Any) -> Payment:
        payment = charge_card(**wish)
        cut_off()
        return payment

    monkeypatch.setattr(stripe_gateway, "charge_card", charge_and_be_cut_off)
    with pytest.raises((OperationalError, InterfaceError)):
        charge_top_up(top_up.pk)
    connection.close()
    assert (money_in.read(top_up).status, money_in.charges(), money_in.balance) == (Status.SENDING, 1, 0)

    sweep_later(money_in)

    assert (money_in.charges(), money_in.moves()) == (1, [("top_up", 20)])
