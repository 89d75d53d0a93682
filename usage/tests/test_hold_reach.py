"""What a workspace's own key may do to holds and names of the platform's: see them, and nothing that makes a use free."""

import pytest

from usage.services.ingestion import HOLD_SOURCE
from usage.tests.stage import MINUTE_MICROS, Metering
from wallet.models import Hold
from wallet.tests.books import assert_books_balance
from workspaces.tests.api_caller import Answer, Caller, caller, new_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer(metering: Metering) -> Caller:
    """Alice's own key, with every scope that a workspace's can have."""
    return caller(metering.wallet.workspace)


def act(metering: Metering, verb: str, hold: str, *, by: Caller) -> Answer:
    more = {"extend": {"by_quantity": 60}, "capture": {"quantity": 0}, "release": {}}[verb]
    return by.post(f"/holds/{hold}/{verb}", {"subject": metering.subject, **more}, key=new_key())


@pytest.mark.parametrize("verb", ["extend", "capture", "release"])
def test_it_keeps_the_platforms_hold_from_the_customers_key(metering: Metering, customer: Caller, verb: str) -> None:
    hold = metering.hold().body["hold"]

    assert act(metering, verb, hold, by=customer).code == "not_found"

    assert Hold.objects.get(id=hold).status == "open"
    assert metering.act("capture", hold, quantity=60).body["amount_micros"] == MINUTE_MICROS
    assert_books_balance()


@pytest.mark.parametrize("verb", ["extend", "capture", "release"])
def test_it_leaves_the_workspaces_own_holds_to_all_of_its_keys(metering: Metering, customer: Caller, verb: str) -> None:
    hold = metering.hold(by=customer).body["hold"]

    assert act(metering, verb, hold, by=caller(metering.wallet.workspace)).status == 200


def test_it_lets_no_report_of_the_customers_resolve_the_platforms_hold(metering: Metering, customer: Caller) -> None:
    hold = metering.hold().body["hold"]
    nothing = {"duration_seconds": None, "quantity": 0, "hold": hold}

    reported = metering.report(
        metering.event(source=f"{metering.subject}/crm", data=nothing),
        metering.event(source=HOLD_SOURCE, id=hold, data=nothing),
        metering.event(source=HOLD_SOURCE, id=hold, data=nothing | {"hold": None}),
        metering.event(source=HOLD_SOURCE, id="another", data=nothing),
        by=customer,
    )

    codes = [entry["code"] for entry in reported.body["not_charged"]]
    assert codes == ["hold_out_of_reach", "hold_out_of_reach", "source_not_yours", "source_not_yours"]
    assert Hold.objects.get(id=hold).status == "open"
    assert metering.act("capture", hold, quantity=60).body["amount_micros"] == MINUTE_MICROS
    assert_books_balance()


def test_it_takes_the_customers_report_for_a_hold_of_its_own(metering: Metering, customer: Caller) -> None:
    hold = metering.hold(by=customer).body["hold"]

    assert metering.report(metering.event(source=f"{metering.subject}/crm", data={"hold": hold}), by=customer).status == 204
    assert Hold.objects.get(id=hold).status == "captured"
