"""Rolling restarts of the real processes: SIGTERM while they are busy loses nothing (X1)."""

import json
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from stripe_sandbox.testing import RunningSandbox
from tests.faults.processes import WAIT_SECONDS_MAX, running, wait_until
from tests.payments import MoneyIn
from tests.stack import RunningStack
from usage.cloud_events import SINGLE
from usage.models import Event
from usage.tests.stage import new_event, seed_prices
from wallet.ledger import post
from wallet.models import TopUp, Transfer
from wallet.services.books import check_books, installed_checks
from wallet.tests.builders import DOLLAR, adjustment, make_wallet
from wallet_billing.celery import app
from wallet_billing.local import product
from wallet_billing.local.network import free_port
from workspaces.tests.api_caller import caller

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("browser")]
PLATFORMS = 4
BUSY_SECONDS = 2.0


def is_ready(site: str) -> bool:
    try:
        return requests.get(f"{site}/readyz", timeout=5).ok
    except requests.ConnectionError:
        return False


@dataclass
class Platforms:
    """They report calls, by turns to each site, and send again to the next what got no answer."""

    sites: list[str]
    subject: str
    secret: str
    over: threading.Event = field(default_factory=threading.Event)
    taken: list[str] = field(default_factory=list)
    not_taken: list[int] = field(default_factory=list)

    def run(self) -> None:
        """Until it is over."""
        number = 0
        while not self.over.is_set():
            number += 1
            self._report(new_event(subject=self.subject), first=number)

    def _report(self, event: dict[str, Any], *, first: int) -> None:
        status = 0
        for attempt in range(len(self.sites)):
            with suppress(requests.ConnectionError):
                status = self._send(event, site=self.sites[(first + attempt) % len(self.sites)])
                break
        if status == 204:
            self.taken.append(event["id"])
        else:
            self.not_taken.append(status)

    def _send(self, event: dict[str, Any], *, site: str) -> int:
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": SINGLE}
        return requests.post(f"{site}/api/v1/events", data=json.dumps(event), headers=headers, timeout=WAIT_SECONDS_MAX).status_code


def test_it_charges_each_use_once_while_web_processes_come_and_go(stack: RunningStack) -> None:
    seed_prices()
    wallet = make_wallet()
    post(wallet.pk, [adjustment(10_000 * DOLLAR)])
    port = free_port()
    another = f"http://127.0.0.1:{port}"
    platforms = Platforms([stack.site_url, another], wallet.workspace.public_id, caller(None).secret)
    threads = [threading.Thread(target=platforms.run) for _ in range(PLATFORMS)]

    with running(product.web(host="127.0.0.1", port=port, workers=2).command, **stack.environment) as web:
        wait_until(lambda: is_ready(another))
        for thread in threads:
            thread.start()
        time.sleep(BUSY_SECONDS)
        web.send_signal(signal.SIGTERM)
        exit_code = web.wait(WAIT_SECONDS_MAX)
        platforms.over.set()
        for thread in threads:
            thread.join()

    assert (exit_code, platforms.not_taken) == (0, [])
    assert len(platforms.taken) > PLATFORMS
    assert sorted(Event.objects.values_list("event_id", flat=True)) == sorted(platforms.taken)
    assert Transfer.objects.filter(kind="call_out").count() == len(platforms.taken)
    assert check_books(installed_checks()).faults == []


def test_it_finishes_the_task_in_hand_when_a_worker_is_asked_to_end(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """Its last act: no sweep is needed for what it had begun."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())
    sandbox.fault("delay_after", match="payment_intents.create", seconds=3)
    app.send_task("wallet.tasks.charge_top_up", args=[str(top_up.pk)])
    command = [sys.executable, "-m", "celery", "-A", "wallet_billing", "worker", "--concurrency", "1", "--loglevel", "warning"]

    with running(command, DJANGO_SETTINGS_MODULE="wallet_billing.settings", STRIPE_API_BASE=sandbox.api_url) as worker:
        wait_until(money_in.charges)
        assert money_in.read(top_up).status == TopUp.Status.SENDING
        worker.send_signal(signal.SIGTERM)
        exit_code = worker.wait(WAIT_SECONDS_MAX)

    assert (exit_code, money_in.read(top_up).status, money_in.balance) == (0, TopUp.Status.SUCCEEDED, 20)
