"""What Prometheus reads: for whoever has the token alone, by the same figures as the page, for a bounded number of indexed queries."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
import yaml
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from console import figures
from console.metrics import COUNTERS, DATABASE, PATH
from usage.tests.stage import Metering
from wallet.errors import Decline
from wallet.models import ChargingSwitch, Discrepancy, Heartbeat, TopUp, Wallet, WebhookEvent
from wallet.services.settlement import fail_top_up, settle_payment
from wallet.tests.builders import DOLLAR, open_top_up, payment_of
from wallet.tests.test_docs import section
from wallet_billing import counters
from wallet_billing.local.product import ROOT
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
TOKEN, OTHER = "a-token-that-nobody-guesses-0123456789", "the-next-token-that-nobody-guesses-01"
CLOSED_PORT = "redis://127.0.0.1:9/0"
STATEMENTS_MAX = 28
QUICKLY_GROWING = r"wallet_(topup|webhookevent|hold|delivery|notice|transfer|discrepancy|reconciliationrun)|usage_(event|keptevent)"
Committing = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(autouse=True)
def _token(settings: Any) -> None:
    settings.METRICS_TOKENS = [TOKEN, OTHER]
    DATABASE.forget()


def scraped(*, token: str = TOKEN) -> dict[str, float]:
    """Every sample by its name and labels, as in wallet_due_rows{kind=top_ups}."""
    answer = Client().get(PATH, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    samples = [sample for family in text_string_to_metric_families(answer.content.decode()) for sample in family.samples]
    return {_named(sample.name, sample.labels): sample.value for sample in samples}


def _named(name: str, labels: dict[str, str]) -> str:
    return name + ("{" + ",".join(f"{label}={value}" for label, value in sorted(labels.items())) + "}" if labels else "")


def counted() -> dict[str, float]:
    """What the counters stand at, with what this process has still to carry."""
    counters.carry()
    return {name: value for name, value in scraped().items() if "_total" in name}


def grown(before: dict[str, float]) -> dict[str, float]:
    """The counters that rose since, and by how much."""
    return {name: value - before[name] for name, value in counted().items() if value != before[name]}


# ---------------------------------------------------------------- who may read
def test_it_has_no_such_address_without_a_token(settings: Any) -> None:
    settings.METRICS_TOKENS = []

    assert Client().get(PATH, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 404


@pytest.mark.parametrize("given", ["", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ", "Bearer ключ"])
def test_it_refuses_whoever_has_no_token(given: str) -> None:
    answer = Client().get(PATH, headers={"Authorization": given})

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert b"wallet_" not in answer.content


def test_it_opens_to_either_token_by_any_name_and_only_for_reading() -> None:
    for token in (TOKEN, OTHER):
        answer = Client().get(PATH, headers={"Authorization": f"Bearer {token}"}, SERVER_NAME="10.1.2.3")
        assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (200, "text/plain")
        assert "no-store" in answer["Cache-Control"]
    assert Client().post(PATH, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 405
    open_metrics = Client().get(PATH, headers={"Authorization": f"Bearer {TOKEN}", "Accept": "application/openmetrics-text; version=1.0.0"})
    assert open_metrics.content.endswith(b"# EOF\n")


# ---------------------------------------------------------------- what PostgreSQL says
@pytest.fixture
def trouble(wallet: Wallet, kept: int) -> None:
    """One of everything that somebody should look at."""
    ago = timezone.now() - timedelta(minutes=10)
    Heartbeat.objects.create(name="sweep", at=ago)
    ChargingSwitch.objects.create(paused_at=ago, reason="An incident.")
    Discrepancy.objects.create(kind="unknown_payment", reference="pi_9", words="Unknown.", amount_micros=-12 * DOLLAR, currency="usd")
    TopUp.objects.filter(pk=open_top_up(wallet, 5 * DOLLAR).pk).update(status="unknown", sent_at=ago, next_check_at=ago)
    for status, due in (("received", ago), ("dead", None)):
        event = WebhookEvent(stripe_event_id=f"evt_{status}", type="t", object_id="o", payload={}, status=status, next_attempt_at=due)
        event.save()
    WebhookEvent.objects.update(received_at=ago)


def test_it_tells_the_figures_of_the_operations_page(trouble: None, sam: Client) -> None:
    told, page = scraped(), sam.get("/admin/operations/").content.decode()

    assert told["wallet_database_up"] == told["wallet_redis_up"] == told["wallet_automatic_payments_paused"] == 1
    assert told["wallet_sweep_timestamp_seconds"] == Heartbeat.objects.get(name="sweep").at.timestamp()
    assert told["wallet_reconciliation_timestamp_seconds"] == 0
    for row in figures.due_rows():
        assert told[f"wallet_due_rows{{kind={row.kind}}}"] == row.count
    assert told["wallet_due_oldest_seconds{kind=top_ups}"] == pytest.approx(600, abs=30)
    assert told["wallet_due_oldest_seconds{kind=closings}"] == 0
    for name in ("wallet_inbox", "wallet_top_ups_unclear"):
        assert told[name] == 1
        assert told[f"{name}_oldest_seconds"] == pytest.approx(600, abs=30)
    assert (told["wallet_inbox_dead"], told["wallet_events_aside"], told["wallet_discrepancies"]) == (1, 1, 1)
    assert told["wallet_unmatched_micros{currency=usd}"] == 12 * DOLLAR
    assert told["wallet_queue_messages{queue=celery}"] == 0
    assert re.search(r"\$12\.00(00)? unmatched", page)
    assert re.search(r"Payments without an outcome</span><b>1</b>", page)


def test_it_asks_little_by_indexes_and_not_for_each_scrape(trouble: None) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        scraped()
    with CaptureQueriesContext(connection) as asked_again:
        scraped()

    questions = [query["sql"] for query in asked.captured_queries if query["sql"].startswith("SELECT")]
    assert 0 < len(questions) <= STATEMENTS_MAX
    assert not asked_again.captured_queries
    with transaction.atomic(), connection.cursor() as cursor:
        # Where there is an index, PostgreSQL takes it now, however few rows there are.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for question in questions:
            cursor.execute(f"EXPLAIN {question}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert not re.search(rf"Seq Scan on ({QUICKLY_GROWING})\b", plan), f"{question}\n{plan}"


def test_it_says_which_of_the_two_is_away(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = CLOSED_PORT
    told = scraped()
    assert (told["wallet_redis_up"], told["wallet_database_up"]) == (0, 1)
    assert "wallet_events_total{outcome=charged}" not in told

    monkeypatch.setattr("console.metrics.STATEMENT_SECONDS_MAX", "nonsense")
    DATABASE.forget()
    assert scraped() == {"wallet_redis_up": 0, "wallet_database_up": 0}


# ---------------------------------------------------------------- what docs/operations.md says of it
def test_it_is_documented_and_watched_by_names_that_there_are() -> None:
    told = Client().get(PATH, headers={"Authorization": f"Bearer {TOKEN}"}).content.decode()
    names = set(re.findall(r"^# TYPE (\w+)", told, flags=re.MULTILINE))
    watched = section((ROOT / "docs" / "operations.md").read_text(), "### What to watch")
    rows = re.findall(r"^\| (`.*?) \|", watched, flags=re.MULTILINE)
    rules = yaml.safe_load(watched.split("```yaml")[2].split("```")[0])["groups"][0]["rules"]

    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == names
    for rule in rules:
        assert set(re.findall(r"wallet_\w+", rule["expr"])) <= names, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket")


# ---------------------------------------------------------------- what is counted
def test_it_shows_every_counter_from_the_start_and_no_customer() -> None:
    told = [name for name in scraped() if "_total" in name]

    assert len(told) == sum(len(counter.totals({})) for counter in COUNTERS) < 100
    assert not {"workspace", "wallet", "subject"} & {label for counter in COUNTERS for label in counter.labels}


def test_it_counts_reports_by_what_became_of_them(metering: Metering, django_capture_on_commit_callbacks: Committing) -> None:
    before, event = counted(), metering.event()

    with django_capture_on_commit_callbacks(execute=True):
        metering.report(event, metering.event(), metering.event(type="fax_out", data={"quantity": 3}))
        metering.report(event)

    assert grown(before) == {
        "wallet_events_total{outcome=charged}": 2,
        "wallet_events_total{outcome=repeated}": 1,
        "wallet_events_total{outcome=kept_aside}": 1,
    }


def test_it_counts_holds_and_why_they_were_refused(metering: Metering, django_capture_on_commit_callbacks: Committing) -> None:
    before = counted()

    with django_capture_on_commit_callbacks(execute=True):
        placed = metering.hold()
        metering.act("extend", placed.body["hold"], by_quantity=60)
        metering.leave(-1)
        metering.hold()
        Wallet.objects.update(frozen_at=timezone.now())
        metering.hold()
        metering.act("extend", placed.body["hold"], by_quantity=60)

    assert grown(before) == {
        "wallet_holds_allowed_total": 2,
        "wallet_holds_refused_total{reason=insufficient_funds}": 1,
        "wallet_holds_refused_total{reason=wallet_frozen}": 2,
    }


def test_it_counts_no_report_that_was_rolled_back(metering: Metering) -> None:
    before = counted()

    metering.report(metering.event())

    assert not grown(before)


def test_it_counts_payments_by_their_outcome(wallet: Wallet, django_capture_on_commit_callbacks: Committing) -> None:
    before = counted()

    with django_capture_on_commit_callbacks(execute=True):
        paid, declined = open_top_up(wallet, 5 * DOLLAR), open_top_up(wallet, 5 * DOLLAR)
        for _ in range(2):
            settle_payment(payment_of(paid))
        fail_top_up(declined.pk, decline=Decline(code="card_declined"))

    assert grown(before) == {
        "wallet_top_ups_total{origin=manual,outcome=succeeded}": 1,
        "wallet_top_ups_total{origin=manual,outcome=failed}": 1,
    }
    assert Workspace.objects.get().name not in str(scraped())
