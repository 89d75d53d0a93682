"""The queue is a convenience: away, flushed, doubled, or its worker killed, the rows are the jobs. Rows B12 to B16 of the matrix."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.faults.processes import WAIT_SECONDS_MAX, running, wait_until
from tests.payments import DOLLAR, MoneyIn, signed
from wallet.models import Notice, Promotion, TopUp, WebhookEvent
from wallet.services import sweep as sweeping
from wallet.services.checkout import open_checkout
from wallet.services.promotions import grant_promotion
from wallet.tasks import sweep
from wallet_billing.celery import app
from wallet_billing.local.product import ROOT

NOBODY_LISTENS = "redis://127.0.0.1:9"
REQUEST_SECONDS_MAX = 10.0
"""Stripe hangs up after twenty. What is guarded against is waiting for a queue that is not there, again and again."""
Status = TopUp.Status


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"DJANGO_SETTINGS_MODULE": "wallet_billing.settings", "STRIPE_API_BASE": settings.STRIPE_API_BASE, **more}


def run(code: str, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    """A process of the product's own, to its end."""
    command = [sys.executable, "-c", f"import sys, django\ndjango.setup()\n{code}", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment(**more), capture_output=True, text=True, check=False, timeout=WAIT_SECONDS_MAX)


POST = """import time
from django.test import Client
Client().get("/accounts/login/")  # Reads the settings, the addresses and their code: a server has done so long before.
began = time.monotonic()
answer = Client().post("/webhooks/stripe", data=sys.argv[1], content_type="application/json", headers={"Stripe-Signature": sys.argv[2]})
print("status", answer.status_code, "seconds", time.monotonic() - began)
"""


def test_it_keeps_and_answers_webhooks_without_redis(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """B14: the request succeeds, and soon; the sweep does what nobody was woken for."""
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link()))
    (event,) = money_in.events("payment_intent.succeeded")
    body = json.dumps(event).encode()

    done = run(POST, body.decode(), signed(body), REDIS_URL=NOBODY_LISTENS)

    assert "status 200" in done.stdout, done.stderr
    assert "queue_unreachable" in done.stdout
    assert float(done.stdout.rpartition("seconds ")[2]) < REQUEST_SECONDS_MAX
    assert WebhookEvent.objects.get().status == WebhookEvent.Status.RECEIVED
    money_in.sweep()
    assert money_in.moves() == [("top_up", 20)]


def test_it_charges_and_credits_without_redis(money_in: MoneyIn) -> None:
    """B14: nothing of a top-up on a saved card needs the queue; its mail waits in the outbox."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())

    done = run("from wallet.services.top_ups import charge_top_up\ncharge_top_up(sys.argv[1])", top_up.pk, REDIS_URL=NOBODY_LISTENS)

    assert done.returncode == 0, done.stderr
    assert money_in.moves() == [("top_up", 20)]
    assert Notice.objects.get().sent_at is None
    money_in.sweep()
    assert Notice.objects.get().sent_at


def test_it_loses_nothing_when_the_queue_is_flushed(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """B15: wishes, webhooks, mails, cards to forget and expiries, all waiting in a queue that is emptied."""
    money_in.connect_card()
    wish = money_in.ask_for_top_up(money_in.connect_card())
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link(dollars=30)))
    for event in money_in.events():
        money_in.post(event)
    grant_promotion(
        money_in.wallet,
        amount_micros=DOLLAR,
        reason="Welcome",
        expires_at=timezone.now() - timedelta(days=1),
        idempotency_key="welcome",
    )
    money_in.lose_messages()

    money_in.pass_time(seconds=61)
    for _ in range(2):
        money_in.sweep()

    assert money_in.read(wish).status == Status.SUCCEEDED
    assert sorted(money_in.moves()) == [("promotion", 1), ("promotion_expired", -1), ("top_up", 20), ("top_up", 30)]
    assert not WebhookEvent.objects.filter(status=WebhookEvent.Status.RECEIVED).exists()
    assert not Notice.objects.filter(sent_at=None).exists()
    assert Promotion.objects.get().remaining_micros == 0
    assert not money_in.wallet.cards.filter(removed_at__isnull=False, detached_at=None).exists()


def test_it_does_each_thing_once_though_every_message_comes_twice(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """B12, B16: redelivered messages, two beats, a beat that fires twice."""
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link()))
    money_in.ask_for_top_up(money_in.connect_card(), dollars=30)
    for event in money_in.events():
        money_in.post(event)
    money_in.pass_time(seconds=61)
    for _ in range(2):
        sweep()

    while message := money_in.next_message():
        name, arguments = message
        for _ in range(2):
            app.tasks[name](*arguments)

    assert sorted(money_in.moves()) == [("top_up", 20), ("top_up", 30)]
    assert len(money_in.requests("payment_intents.create")) == 1
    assert Notice.objects.count() == Notice.objects.filter(attempts=1).count() == 2


def test_it_finds_in_one_sweep_whatever_waited_for_hours(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """B16: beat was dead for six hours."""
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link()))

    money_in.pass_time(hours=6)
    money_in.sweep()

    assert money_in.moves() == [("top_up", 20)]


def test_it_drops_sweeps_that_waited_longer_than_until_the_next(valkey_url: str) -> None:
    """B16: a worker that comes back after a night does not run a thousand of them."""
    assert settings.CELERY_BEAT_SCHEDULE["sweep-money"]["options"]["expires"] <= settings.CELERY_BEAT_SCHEDULE["sweep-money"]["schedule"]


def test_it_hands_out_no_more_than_a_batch(money_in: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep has a limit; what is left over is due at the next."""
    monkeypatch.setattr(sweeping, "BATCH", 2)
    for number in range(5):
        WebhookEvent.objects.create(stripe_event_id=f"evt_{number}", type="x", object_id="x", payload={}, next_attempt_at=timezone.now())

    assert sweeping.wake_everything_due()["wallet.tasks.handle_webhook_event"] == 2
    money_in.work()
    assert WebhookEvent.objects.filter(status=WebhookEvent.Status.IGNORED).count() == 2


def test_it_knows_every_task_that_is_woken() -> None:
    """A name in wake() that no worker has would be dropped without a sound."""
    sources = [
        path
        for app_name in ("billing", "console", "usage", "wallet", "workspaces", "wallet_billing")
        for path in (ROOT / app_name).rglob("*.py")
    ]
    woken = {name for path in sources for name in re.findall(r'"((?:billing|usage|wallet|workspaces)\.tasks\.\w+)"', path.read_text())}

    app.loader.import_default_modules()
    assert {name.partition(".")[0] for name in woken} == {"billing", "usage", "wallet", "workspaces"}
    assert woken <= app.tasks.keys()


# ---------------------------------------------------------------- with a real worker
@contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker with its pool, in a session of its own, so that all of it can be killed at once."""
    command = [sys.executable, "-m", "celery", "-A", "wallet_billing", "worker", "--concurrency", "1", "--loglevel", "warning"]
    with running(command, **environment()) as process:
        yield process


def test_it_finishes_what_a_killed_worker_had_in_hand(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """B12, B13: the whole worker is killed while Stripe answers; another one sweeps. One charge, one credit."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())
    sandbox.fault("delay_after", match="payment_intents.create", seconds=20)
    app.send_task("wallet.tasks.charge_top_up", args=[str(top_up.pk)])
    with worker():
        wait_until(money_in.charges)
    assert (money_in.read(top_up).status, money_in.balance) == (Status.SENDING, 0)

    money_in.pass_time(seconds=61)
    app.send_task("wallet.tasks.sweep")
    with worker():
        wait_until(lambda: money_in.balance)
        wait_until(lambda: Notice.objects.filter(sent_at__isnull=False).exists())

    assert (money_in.charges(), money_in.moves()) == (1, [("top_up", 20)])
