"""Who may report under which source: a workspace's keys under its id, the platform under all others. So no identity is taken by another."""

import pytest

from usage.services.kept_aside import replay_kept_event
from usage.tests.stage import MINUTE_MICROS, Metering, make_metering
from wallet.tests.books import assert_books_balance
from workspaces.tests.api_caller import Caller, caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer(metering: Metering) -> Caller:
    """Alice's own key, with every scope that a workspace's can have."""
    return caller(metering.wallet.workspace)


def test_it_charges_the_platforms_report_whatever_the_customer_reported_before(metering: Metering, customer: Caller) -> None:
    """She knows how the platform counts its calls, and is first with the next one: a call of no length."""
    first = metering.report(metering.event(id="call-7732", data={"duration_seconds": 0}), by=customer)
    true = metering.report(metering.event(id="call-7732"))

    assert [entry["code"] for entry in first.body["not_charged"]] == ["source_not_yours"]
    assert (true.status, metering.charged) == (204, MINUTE_MICROS)
    assert_books_balance()


@pytest.mark.parametrize("source", ["{0}", "{0}/", "{0}/crm", "{0}//x"])
@pytest.mark.parametrize("subject", ["", "customer-1042"])
def test_it_takes_the_customers_reports_under_its_own_id(metering: Metering, customer: Caller, source: str, subject: str) -> None:
    metering.call_it("customer-1042")
    event = metering.event(source=source.format(metering.subject), subject=subject or metering.subject)

    assert [metering.report(event, by=customer).status for _ in range(2)] == [204, 204]
    assert metering.charged == MINUTE_MICROS


@pytest.mark.parametrize("source", ["/calls", "{0}x/crm", "/{0}/crm", "{1}/crm", "/holds", "/lab", "{2}/crm"])
def test_it_takes_none_of_the_customers_under_another_source(metering: Metering, customer: Caller, source: str) -> None:
    charlie = make_metering(name="Charlie's Garage")
    known = source.format(metering.subject, charlie.subject, metering.subject.upper())

    (kept,) = metering.report(metering.event(source=known), by=customer).body["not_charged"]

    assert kept["code"] == "source_not_yours"
    assert f"{metering.subject}/" in kept["detail"]
    assert replay_kept_event(metering.kept[0].pk).outcome.code == "source_not_yours", "It is the same key that asks."
    assert (metering.charged, len(metering.kept)) == (0, 1)


def test_it_takes_none_of_the_platforms_under_the_workspaces_id(metering: Metering) -> None:
    charlie = make_metering(name="Charlie's Garage")

    answer = metering.report(metering.event(source=f"{metering.subject}/crm"), metering.event(source=f"{charlie.subject}/crm"))

    assert [(entry["index"], entry["code"]) for entry in answer.body["not_charged"]] == [(0, "source_taken")]
    assert metering.charged == MINUTE_MICROS
