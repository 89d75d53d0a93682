"""Prices in the operator's console: pricing may make meters and cards and end rates, and nobody may rewrite one."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from usage.models import Meter, MeterKind, Rate, RateCard
from usage.services.prices import Terms, open_default_card, publish_rates
from wallet.services.wallets import open_wallet
from wallet.tests.staff import signed_in, staff
from workspaces.models import AuditEntry, User, Workspace
from workspaces.staff import StaffRole

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
RATES = "admin:usage_rate_changelist"
SignIn = Callable[..., Client]


@pytest.fixture
def rate() -> Rate:
    Meter.objects.create(key="call_out", name="Outbound calls", unit="second", kind=MeterKind.CALL_OUT)
    terms = [Terms(meter="call_out", prefix="1", price_micros=14_000, per_units=60)]
    return publish_rates(open_default_card("usd", name="Standard USD"), terms=terms, valid_from=LONG_AGO)[0]


@pytest.fixture
def sign_in() -> SignIn:
    """A function from roles to the browser of a member of staff who has them."""

    def browser(*roles: StaffRole) -> Client:
        return signed_in(staff("petra", *roles))

    return browser


def end(client: Client, rate: Rate) -> None:
    client.post(reverse(RATES), {"action": "end_now", "_selected_action": [rate.pk]})
    rate.refresh_from_db()


def test_it_ends_the_chosen_rates_and_logs_who_did(rate: Rate, sign_in: SignIn) -> None:
    end(sign_in(StaffRole.PRICING), rate)

    assert rate.valid_until is not None
    assert LogEntry.objects.get().object_id == str(rate.pk)
    assert AuditEntry.objects.get(action="rate.ended").actor_label == "petra@operator.example"


def test_it_says_so_when_a_rate_has_ended_already(rate: Rate, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.PRICING)
    end(client, rate)

    answer = client.post(reverse(RATES), {"action": "end_now", "_selected_action": [rate.pk]}, follow=True)

    assert "has ended already" in answer.content.decode()


def test_it_lets_staff_without_the_right_look_and_nothing_else(rate: Rate, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.SUPPORT)

    assert client.get(reverse(RATES)).status_code == 200
    end(client, rate)

    assert rate.valid_until is None


def test_it_never_changes_adds_or_removes_a_rate(rate: Rate, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.PRICING)

    change = client.post(reverse("admin:usage_rate_change", args=[rate.pk]), {"price_micros": 1})
    add = client.get(reverse("admin:usage_rate_add"))
    delete = client.post(reverse("admin:usage_rate_delete", args=[rate.pk]), {"post": "yes"})

    assert [change.status_code, add.status_code, delete.status_code] == [403, 403, 403]
    assert Rate.objects.get().price_micros == 14_000


def test_it_keeps_what_a_meter_means(rate: Rate, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.PRICING)
    address = reverse("admin:usage_meter_change", args=["call_out"])

    answer = client.post(address, {"name": "Calls", "unit": "minute", "kind": "call_in", "is_active": "on"})

    assert answer.status_code == 302
    meter = Meter.objects.get()
    assert (meter.name, meter.unit, meter.kind) == ("Calls", "second", "call_out")


def test_it_makes_a_lab_meter_that_stands_in_for_a_live_one_alone(rate: Rate, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.PRICING)
    fields = {"key": "voice_lab", "name": "Voice Lab", "unit": "second", "kind": "lab", "live_meter": "call_out", "is_active": "on"}

    assert client.post(reverse("admin:usage_meter_add"), fields).status_code == 302
    assert client.post(reverse("admin:usage_meter_add"), fields | {"key": "second_lab", "live_meter": "voice_lab"}).status_code == 200

    assert Meter.objects.get(kind=MeterKind.LAB).live_meter_id == "call_out"


def test_it_refuses_an_own_card_in_another_currency_than_the_wallets(sign_in: SignIn) -> None:
    workspace = Workspace.objects.create(name="Northside Realty")
    open_wallet(workspace, currency="eur")
    client = sign_in(StaffRole.PRICING)
    fields = {"name": "Northside's", "currency": "usd", "workspace": workspace.pk}

    refused = client.post(reverse("admin:usage_ratecard_add"), fields)
    taken = client.post(reverse("admin:usage_ratecard_add"), fields | {"currency": "eur"})

    assert (refused.status_code, taken.status_code) == (200, 302)
    assert RateCard.objects.get().currency == "eur"


@pytest.mark.parametrize("page", ["usage_meter_changelist", "usage_ratecard_changelist", "usage_rate_changelist"])
def test_it_is_closed_to_customers(rate: Rate, page: str) -> None:
    alice = User.objects.create(email="alice@northside.example")
    client = Client()
    client.force_login(alice)

    assert client.get(reverse(f"admin:{page}")).status_code in (302, 403, 404)
