"""What a scanner sends to the console: an answer that says no, never a fault, and hostile names as names."""

import html
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from console.metrics import PATH
from usage.models import Meter, RateCard
from usage.services.default_prices import seed_default_prices
from usage.services.price_sheets import COLUMNS
from usage.tests.stage import Metering
from wallet.ledger import post
from wallet.models import Wallet
from wallet.tests.builders import entry
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
TOKEN = "a-token-that-nobody-guesses-0123456789"
HOSTILE = "\"'><script>alert(1)</script>{{7*7}}=1+1"


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        ("wallet_topup", {"status__exact": "a\0b"}),
        ("wallet_wallet", {"currency__exact": "\0"}),
        ("workspaces_auditentry", {"actor_kind__exact": "\0", "is_staff_act__exact": "0"}),
    ],
)
def test_it_finds_no_rows_by_what_no_row_has(sam: Client, page: str, asked: dict[str, str]) -> None:
    assert sam.get(reverse(f"admin:{page}_changelist"), asked).status_code == 404


def test_it_knows_no_row_by_what_is_no_key(petra: Client) -> None:
    chosen = {"action": "end_now", "_selected_action": ["2026-13-45"]}

    assert petra.post(reverse("admin:usage_rate_changelist"), chosen).status_code == 404


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59+00:00"])
def test_it_begins_anew_at_a_moment_that_is_none(sam: Client, wallet: Wallet, moment: str) -> None:
    answer = sam.get(reverse("admin:console_wallet", args=[wallet.pk]), {"before": f"{moment}|transfer|1"})

    assert answer.status_code == 200


@pytest.mark.parametrize("month", ["9999-12", "0001-01", "2200-01"])
def test_it_simulates_no_month_without_a_book(sam: Client, wallet: Wallet, month: str) -> None:
    asked = {"workspace": wallet.workspace.public_id, "month": month}

    assert sam.get(reverse("admin:console_what_if"), asked).status_code == 422


def test_it_offers_a_live_meter_to_lab_meters_alone(petra: Client) -> None:
    seed_default_prices()
    address = reverse("admin:usage_meter_change", args=["call_out"])

    assert petra.post(address, {"name": "Calls", "live_meter": "call_in", "is_active": "on"}).status_code == 302

    assert (Meter.objects.get(key="call_out").name, Meter.objects.get(key="call_out").live_meter) == ("Calls", None)


@pytest.mark.parametrize("accepted", ["application/openmetrics-text; version=a.b", "text/plain; version=x; escaping=evil"])
def test_it_answers_a_scraper_that_asks_for_no_version(settings: Any, accepted: str) -> None:
    settings.METRICS_TOKENS = [TOKEN]

    answer = Client().get(PATH, headers={"Authorization": f"Bearer {TOKEN}", "Accept": accepted})

    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (200, "text/plain")


def test_it_ignores_fields_that_an_export_does_not_have(frances: Client, wallet: Wallet) -> None:
    asked = {"rows-workspace": wallet.workspace.public_id, "rows-kind": "transactions"}
    more = {
        "state": "ready",
        "file_name": "x.html",
        "made_by": "1",
        "is_operators": "",
        "first_place": "0",
        "wallet": "1",
        "tenant_id": "1",
    }

    frances.post(reverse("admin:console_export_rows"), asked | more | {f"rows-{name}": value for name, value in more.items()})

    made = wallet.exports.get()
    assert (made.state, made.is_operators, made.made_by.email, made.first_place) == ("waiting", True, "frances@operator.example", 2)
    assert made.file_name.startswith("alices-bakery-transactions-")


def test_it_writes_hostile_names_as_names(metering: Metering, sam: Client, frances: Client) -> None:
    """The lists, one wallet with its timeline and its book, events that were kept aside, exports."""
    wallet = metering.wallet
    Workspace.objects.filter(pk=wallet.pk).update(name=HOSTILE)
    post(wallet.pk, [entry(1_000, description=HOSTILE, reference=HOSTILE)])
    metering.report(metering.event(type="fax_out", id=HOSTILE, data={"quantity": 3}))
    frances.post(reverse("admin:console_export_rows"), {"rows-workspace": wallet.workspace.public_id, "rows-kind": "transactions"})
    pages = [
        reverse("admin:wallet_wallet_changelist"),
        reverse("admin:workspaces_workspace_changelist"),
        reverse("admin:console_wallet", args=[wallet.pk]),
        reverse("admin:console_transfers", args=[wallet.pk]),
        reverse("admin:console_kept_of", args=["unknown_meter"]),
        reverse("admin:console_kept_event", args=[metering.kept[0].pk]),
        reverse("admin:console_exports"),
    ]

    shown = {page: sam.get(page, follow=True).content.decode() for page in pages}

    for page, text in shown.items():
        assert "<script>alert" not in text, page
        assert html.escape("<script>alert(1)</script>{{7*7}}=1+1") in text, page


def test_it_names_the_line_of_a_rate_that_contradicts_itself(petra: Client) -> None:
    """In the dry run, as everything that is wrong with a sheet."""
    seed_default_prices()
    sheet = f"{','.join(COLUMNS)}\r\ncall_out,,1,60,,1,1,\r\ncall_out,1,1,60,,1,1,100: 1; 50: 2; : 3\r\n"

    answer = petra.post(reverse("admin:console_price_import", args=[RateCard.objects.get(currency="usd").pk]), {"sheet": sheet})

    assert answer.status_code == 422
    assert "call_out +1: " in answer.content.decode()
