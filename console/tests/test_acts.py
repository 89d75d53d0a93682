"""What staff do on pages: events mended and taken again, prices published after a dry run, discrepancies explained, charging paused."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from unittest.mock import patch

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from usage.models import Event, KeptEvent, Meter, Rate, RateCard
from usage.services.price_sheets import sheet_lines
from usage.tests.stage import Metering
from wallet.models import ChargingSwitch, DaySeal, Discrepancy, Heartbeat, ReconciliationRun
from wallet.services import nightly
from wallet.services.nightly import run_requested
from wallet.services.seals import seal_days
from wallet.tasks import sweep
from workspaces.models import AuditEntry

pytestmark = pytest.mark.django_db


def audit(action: str) -> AuditEntry:
    return AuditEntry.objects.get(action=action, is_staff_act=True)


def text_of(client: Client, name: str, *arguments: object) -> str:
    return client.get(reverse(f"admin:console_{name}", args=arguments)).content.decode()


# ---------------------------------------------------------------- kept aside
def test_it_mends_and_replays_an_event(metering: Metering, kept: int, petra: Client) -> None:
    body = KeptEvent.objects.get().body.replace("fax_out", "message_out").replace('"quantity": 3', '"text": "Hello"')
    assert "unknown_meter" in text_of(petra, "kept")

    petra.post(reverse("admin:console_kept_mend", args=[kept]), {"mend-body": body, "mend-reason": "The platform misnamed it."})
    petra.post(reverse("admin:console_kept_replay", args=[kept]))

    assert KeptEvent.objects.get().status == "replayed", KeptEvent.objects.get().reason
    assert Event.objects.get().event_id == "fax-1"
    mended = audit("kept_event.mended")
    assert (mended.reason, mended.actor_label) == ("The platform misnamed it.", "petra@operator.example")
    assert (mended.before["type"], mended.after["type"]) == ("fax_out", "message_out")
    assert (mended.before["data.quantity"], mended.after["data.text"]) == (3, "Hello")
    assert "id" not in mended.after, "what was not changed is not told"
    assert audit("kept_event.replayed").workspace_id == metering.wallet.pk
    assert metering.kept == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "no JSON"),
        ("[]", "one JSON object"),
        ('{"id":"\\u0000"}', "NUL"),
        ('{"id":"\\ud800"}', "half"),
        ('{"a":"' + "x" * 70_000 + '"}', "at most"),
    ],
)
def test_it_refuses_what_is_no_event(metering: Metering, kept: int, frances: Client, body: str, words: str) -> None:
    answer = frances.post(reverse("admin:console_kept_mend", args=[kept]), {"mend-body": body, "mend-reason": "?"})

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert "fax_out" in KeptEvent.objects.get().body


def test_it_replays_all_of_a_reason(metering: Metering, kept: int, frances: Client) -> None:
    metering.report(metering.event(type="fax_out", id="fax-2", data={"quantity": 3}))
    Meter.objects.create(key="fax_out", name="Faxes", unit="page", kind="message_out", is_active=True)
    Rate.objects.create(card=RateCard.objects.get(), meter_id="fax_out", price_micros=10_000, valid_from=timezone.now() - timedelta(days=9))

    answer = frances.post(reverse("admin:console_kept_replay_all", args=["unknown_meter"]), follow=True)

    assert "kept aside still" in answer.content.decode()
    assert AuditEntry.objects.filter(action="kept_event.replayed").count() == 2
    assert not KeptEvent.objects.filter(status="kept", code="unknown_meter").exists()


def test_it_discards_with_a_reason_alone(metering: Metering, kept: int, frances: Client) -> None:
    address = reverse("admin:console_kept_discard", args=[kept])

    assert frances.post(address, {"discard-reason": " "}).status_code == 422
    assert len(metering.kept) == 1
    frances.post(address, {"discard-reason": "A test of the platform's."})
    again = frances.post(address, {"discard-reason": "Again."}, follow=True)

    assert "was discarded before" in again.content.decode()
    assert KeptEvent.objects.get().resolution == "A test of the platform's."
    assert audit("kept_event.discarded").reason == "A test of the platform's."


# ---------------------------------------------------------------- prices
def sheet(card: RateCard) -> str:
    """The card's own list, with calls to the United Kingdom at another price and a new prefix."""
    lines = "".join(sheet_lines(card, at=timezone.now())).replace("call_out,44,0.020000,", "call_out,44,0.030000,")
    return lines + "call_out,49,0.025,1,0,60,60,\r\n"


def hidden(page: str, name: str) -> str:
    return page.split(f'name="{name}" value="')[1].split('"')[0]


def test_it_shows_what_would_change_and_publishes_just_that(prices: None, petra: Client) -> None:
    card, before = RateCard.objects.get(), Rate.objects.count()
    upload = SimpleUploadedFile("prices.csv", sheet(card).encode())

    dry = petra.post(reverse("admin:console_price_import", args=[card.pk]), {"file": upload}).content.decode()

    assert "Nothing has changed yet" in dry
    assert "$0.0300 per 1" in dry
    assert Rate.objects.count() == before
    given = {"sheet": sheet(card), "seen": hidden(dry, "seen")}
    assert petra.post(reverse("admin:console_price_publish", args=[card.pk]), given).status_code == 422
    petra.post(reverse("admin:console_price_publish", args=[card.pk]), given | {"reason": "New carrier."})
    assert Rate.objects.filter(prefix="44", valid_until=None).get().price_micros == 30_000
    assert audit("prices.published").reason == "New carrier."


def test_it_shows_the_dry_run_again_where_prices_changed_meanwhile(prices: None, petra: Client) -> None:
    card = RateCard.objects.get()

    given = {"sheet": sheet(card), "seen": "something else", "reason": "New carrier."}
    answer = petra.post(reverse("admin:console_price_publish", args=[card.pk]), given)

    assert answer.status_code == 422
    assert "have changed since you looked" in answer.content.decode()
    assert not Rate.objects.filter(prefix="49").exists()


def test_it_names_every_line_that_is_wrong(prices: None, petra: Client) -> None:
    card = RateCard.objects.get()
    wrong = "meter,prefix,price\ncall_out,44,cheap\nfaxes,,1\n"

    answer = petra.post(reverse("admin:console_price_import", args=[card.pk]), {"sheet": wrong})

    assert answer.status_code == 422
    assert "Line 2:" in answer.content.decode()
    assert "Line 3:" in answer.content.decode()


@pytest.mark.parametrize(
    "more", [{"valid_from": "2020-01-01T00:00"}, {"valid_from": "2099-01-01T00:00", "ends_others": "on"}, {"sheet": ""}]
)
def test_it_refuses_a_list_that_cannot_be_put_in_force(prices: None, petra: Client, more: dict[str, str]) -> None:
    card = RateCard.objects.get()

    answer = petra.post(reverse("admin:console_price_import", args=[card.pk]), {"sheet": sheet(card)} | more)

    assert answer.status_code == 422


def test_it_exports_what_it_would_read_back(prices: None, sam: Client) -> None:
    card = RateCard.objects.get()

    answer = sam.get(reverse("admin:console_price_export", args=[card.pk]))

    assert b"".join(answer) == "".join(sheet_lines(card, at=timezone.now())).encode()


def test_it_goes_through_a_month_under_other_prices(metering: Metering, sam: Client) -> None:
    metering.report(metering.event())
    month = timezone.now().strftime("%Y-%m")
    asked = {"workspace": metering.subject, "month": month, "sheet": "meter,prefix,price,per_units\ncall_out,1,0.50,60\n"}

    page = sam.get(reverse("admin:console_what_if"), asked).content.decode()
    refused = sam.get(reverse("admin:console_what_if"), asked | {"workspace": "nobody", "threshold": "5"})

    assert "$0.60" in page
    assert "$0.50" in page
    assert refused.status_code == 422
    assert metering.events == 1


# ---------------------------------------------------------------- reconciliation and operations
@pytest.fixture
def discrepancy(db: None) -> Discrepancy:
    ReconciliationRun.objects.create(since=timezone.now(), finished_at=timezone.now(), discrepancies=1)
    words = "Payment pi_9 of $12.00 has no top-up."
    return Discrepancy.objects.create(kind="unknown_payment", reference="pi_9", words=words, amount_micros=12_000_000, currency="usd")


def test_it_explains_a_discrepancy(discrepancy: Discrepancy, frances: Client) -> None:
    assert "Books do not balance" in text_of(frances, "reconciliation")
    address = reverse("admin:console_explain", args=[discrepancy.pk])
    assert frances.post(address, {"seen": discrepancy.words, "explanation": ""}).status_code == 422

    frances.post(address, {"seen": discrepancy.words, "explanation": "Of our web shop."})

    discrepancy.refresh_from_db()
    assert (discrepancy.explanation, str(discrepancy.explained_by)) == ("Of our web shop.", "frances@operator.example")
    assert audit("discrepancy.explained").reason == "Of our web shop."
    assert "Books balance" in text_of(frances, "reconciliation")


def test_it_shows_what_a_discrepancy_has_become_before_it_is_explained(discrepancy: Discrepancy, frances: Client) -> None:
    seen = discrepancy.words
    Discrepancy.objects.update(words="Payment pi_9 of $99.00 has no top-up.")

    answer = frances.post(reverse("admin:console_explain", args=[discrepancy.pk]), {"seen": seen, "explanation": "Of our web shop."})

    discrepancy.refresh_from_db()
    page = answer.content.decode()
    assert (answer.status_code, discrepancy.closed_at) == (409, None)
    assert "Read it again" in page
    assert page.count("of $99.00") == 2, "in words, and as what is seen by now"
    assert "Of our web shop." in page, "nobody types it twice"


@pytest.mark.django_db(transaction=True)
def test_it_has_a_worker_compare_once(frances: Client, queued_tasks: Callable[[], list[str]]) -> None:
    earlier = ReconciliationRun.objects.create(
        since=timezone.now(), finished_at=timezone.now(), started_at=timezone.now() - timedelta(days=1)
    )
    for _ in range(2):
        frances.post(reverse("admin:console_reconcile"))

    run = ReconciliationRun.objects.exclude(pk=earlier.pk).get()
    assert queued_tasks() == ["wallet.tasks.run_reconciliation"]
    assert "waiting for a worker" in text_of(frances, "reconciliation")
    assert "Books balance" not in text_of(frances, "reconciliation"), "what was found before is not this run's"
    with patch.object(nightly, "reconcile") as compared:
        run_requested(run.pk)
    assert compared.call_args.kwargs == {"run": run}
    assert audit("reconciliation.requested").target == str(run.pk)
    with patch("console.acts.is_cut_off", return_value=True):
        frances.post(reverse("admin:console_reconcile"))
    assert ReconciliationRun.objects.count() == 3, "one that Stripe has not answered keeps nobody waiting"


def test_it_pauses_and_resumes_charging_for_a_reason(frances: Client) -> None:
    address = reverse("admin:console_charging")
    assert frances.post(address, {"to": "paused"}).status_code == 422
    assert not ChargingSwitch.objects.filter(paused_at__isnull=False).exists()

    frances.post(address, {"to": "paused", "reason": "Stripe told us of an incident."})
    assert ChargingSwitch.objects.get().reason == "Stripe told us of an incident."
    frances.post(address, {"to": "charging", "reason": "It is over."})

    assert ChargingSwitch.objects.get().paused_at is None
    assert audit("charging.paused").reason == "Stripe told us of an incident."
    assert audit("charging.resumed").reason == "It is over."


def test_it_tells_the_audit_log_of_the_command_too() -> None:
    for _ in range(2):
        call_command("charging", "pause", reason="Looking into something.", stdout=StringIO())

    assert audit("charging.paused").reason == "Looking into something."


def test_it_says_that_days_are_not_sealed(sam: Client) -> None:
    DaySeal.objects.create(day=timezone.now().date() - timedelta(days=4), seals=0, transfers=0, chain_sha256=b"")
    assert "not sealed" in sam.get("/admin/").content.decode()

    seal_days()

    assert "not sealed" not in sam.get("/admin/").content.decode()


def test_it_says_when_the_sweep_last_ran(sam: Client) -> None:
    assert "The sweep has not run" in sam.get("/admin/").content.decode()

    sweep()
    sweep()

    assert Heartbeat.objects.get().name == "sweep"
    assert "The sweep has not run" not in sam.get("/admin/").content.decode()
    assert text_of(sam, "operations").count("0 waiting") == 2
