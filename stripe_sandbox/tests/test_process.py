"""The process: how it starts, what it refuses, and what survives its end."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stripe_sandbox.testing import running_sandbox
from stripe_sandbox.tests.conftest import Receiver, charge_off_session, client_of, new_session, wait_for

ROOT = Path(__file__).resolve().parents[2]


def _start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to be refused."""
    command = [sys.executable, "-m", "stripe_sandbox", "--port=0", "--checkout-port=0", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=30, check=False)


def test_it_remembers_everything_over_a_kill(tmp_path: Path, receiver: Receiver) -> None:
    with running_sandbox(state_dir=tmp_path, webhook_url=receiver.url) as sandbox:
        client = client_of(sandbox)
        sandbox.pause_webhooks()
        customer = client.v1.customers.create({}, {"idempotency_key": "before"})
        card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
        paid = charge_off_session(client, customer=customer.id, method=card.id)
        sandbox.fault("rate_limit", match="events.list")
        before = sandbox.state()

        sandbox.kill(how=signal.SIGKILL)
        sandbox.start()

        client = client_of(sandbox)
        kinds = ("customers", "payment_methods", "payment_intents", "charges", "balance_transactions", "events", "deliveries", "faults")
        assert {kind: sandbox.state()[kind] for kind in kinds} == {kind: before[kind] for kind in kinds}
        assert client.v1.customers.create({}, {"idempotency_key": "before"}).id == customer.id
        assert client.v1.payment_intents.retrieve(paid.id).status == "succeeded"
        sandbox.resume_webhooks()
        wait_for(lambda: "payment_intent.succeeded" in receiver.types())


def test_it_leaves_nothing_half_done_when_killed_under_load(tmp_path: Path) -> None:
    """Killed at a random moment: every payment has its charge, its balance row and its events, or is not there at all."""
    with running_sandbox(state_dir=tmp_path) as sandbox:
        customer = client_of(sandbox).v1.customers.create({"payment_method": "pm_card_visa"}).id
        card = client_of(sandbox).v1.customers.payment_methods.list(customer).data[0].id
        code = (
            "import sys, stripe\n"
            "client = stripe.StripeClient(sys.argv[1], base_addresses={'api': sys.argv[2]}, max_network_retries=0)\n"
            "wish = {'amount': 900, 'currency': 'usd', 'customer': sys.argv[3], 'payment_method': sys.argv[4], 'confirm': True}\n"
            "while True:\n"
            "    client.v1.payment_intents.create(wish)\n"
        )
        load = subprocess.Popen(
            [sys.executable, "-c", code, "sk_test_sandbox0000000000000000", sandbox.api_url, customer, card], stderr=subprocess.DEVNULL
        )
        wait_for(lambda: len(sandbox.state()["payment_intents"]) > 20)
        sandbox.kill(how=signal.SIGKILL)
        load.wait(30)
        sandbox.start()

        state = sandbox.state()
        paid = {intent["id"] for intent in state["payment_intents"]}
        assert {intent["status"] for intent in state["payment_intents"]} == {"succeeded"}
        assert sorted(charge["payment_intent"] for charge in state["charges"]) == sorted(paid)
        assert {row["source"] for row in state["balance_transactions"]} == {charge["id"] for charge in state["charges"]}
        told = [event["data"]["object"]["id"] for event in state["events"] if event["type"] == "payment_intent.succeeded"]
        assert sorted(told) == sorted(paid)


def test_it_goes_on_with_a_file_of_an_older_version(tmp_path: Path) -> None:
    """Its log of requests had no times."""
    with sqlite3.connect(tmp_path / "sandbox.sqlite3") as older:
        older.execute(
            "CREATE TABLE request_log (seq INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL, operation TEXT NOT NULL,"
            " path TEXT NOT NULL, idempotency_key TEXT, status INTEGER NOT NULL, outcome TEXT NOT NULL)"
        )
    older.close()
    began = time.time()

    with running_sandbox(state_dir=tmp_path) as sandbox:
        client_of(sandbox).v1.customers.create({})
        (request,) = sandbox.state()["requests"]

    assert began <= request["received_at"] <= time.time()


@pytest.mark.parametrize("option", ["--port", "--checkout-port"])
def test_it_says_that_a_port_is_taken(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        refused = _start(f"{option}={port}")

    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert f"Port {port} is taken" in refused.stderr


@pytest.mark.parametrize("key", ["sk_live_abc", "rk_live_abc"])
def test_it_refuses_to_start_beside_a_live_key(key: str) -> None:
    refused = _start(STRIPE_SECRET_KEY=key)

    assert refused.returncode == 2
    assert "live key" in refused.stderr
    assert key not in refused.stderr


def test_it_opens_its_pages_to_the_network_only_when_told_to() -> None:
    refused = _start("--checkout-host=0.0.0.0", LAN="")
    assert refused.returncode == 2
    assert "LAN=1" in refused.stderr

    command = [sys.executable, "-m", "stripe_sandbox", "--port=0", "--checkout-port=0", "--checkout-host=0.0.0.0", "--die-with-parent"]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "LAN": "1"}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        process.kill()
    # The API stays on loopback even then.
    assert said["api"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    "arguments",
    [["--webhook-url=http://127.0.0.1:9"], ["--webhook-url=ftp://x", "--webhook-secret=x"], ["--speed=0"], ["--checkout-host=here"]],
)
def test_it_refuses_arguments_that_cannot_work(arguments: list[str]) -> None:
    refused = _start(*arguments)

    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1


def test_it_builds_session_addresses_from_what_payers_see() -> None:
    with running_sandbox(checkout_url="http://192.0.2.7:8011/") as sandbox:
        session = new_session(client_of(sandbox))

    assert session.url == f"http://192.0.2.7:8011/c/pay/{session.id}"


def test_it_settles_debits_by_itself_where_told_to(receiver: Receiver) -> None:
    with running_sandbox(webhook_url=receiver.url, debit_seconds=0.3) as sandbox:
        sandbox.pay_checkout_by_bank(new_session(client_of(sandbox)).url or "")

        receiver.first("checkout.session.async_payment_succeeded")


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "from stripe_sandbox.testing import running_sandbox\n"
        "with running_sandbox() as sandbox:\n"
        "    print(sandbox.process.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()

    wait_for(lambda: not _is_running(child))


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    # A zombie has ended; whoever adopted it has only not looked yet.
    return state != "Z"
