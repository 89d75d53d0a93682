"""What staff do in the console, in a browser: prices after a dry run, a use taken again, books explained; and how its pages look."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from billing.tests.uses import event
from tests.axe import faults_in_every_look
from tests.flows.conftest import TURNS_WITHIN_MS, Northside, SignedInPage
from tests.flows.history import fill_history
from tests.stack import RunningStack
from usage.cloud_events import made_here
from usage.models import Event, KeptEvent, Rate, RateCard
from usage.services.ingestion import Reporter, take_events
from usage.services.price_sheets import sheet_lines
from wallet.models import Delivery, Discrepancy, TopUp
from wallet.services.adjustments import request_adjustment
from wallet.services.cards import save_card
from wallet.tests.builders import card_details
from wallet.tests.hooks import endpoint_of, tell
from wallet.tests.receiver import running_receiver
from wallet.tests.staff import new_form, staff
from workspaces.models import User
from workspaces.staff import StaffRole


@pytest.fixture
def ruth(northside: Northside) -> User:
    """Of every role; and Northside with a history: a payment, calls, and a use that no meter prices."""
    fill_history(northside.wallet, calls=5)
    take_events([made_here(event(northside.wallet, "fax_out", event_id="fax-1", quantity=3))], reporter=Reporter())
    return staff("ruth", *StaffRole)


def test_it_publishes_prices_after_a_dry_run(ruth: User, as_user: SignedInPage) -> None:
    card, before = RateCard.objects.get(name="Standard USD"), Rate.objects.count()
    sheet = "".join(sheet_lines(card, at=timezone.now())).replace("call_out,1,0.014000", "call_out,1,0.019900")
    sheet += "call_out,8821,2.5,60,0,60,60,\r\n"
    page = as_user(ruth, "/admin/prices/")
    page.get_by_role("link", name="Standard USD").click()

    page.get_by_label("CSV file").set_input_files({"name": "prices.csv", "mimeType": "text/csv", "buffer": sheet.encode()})
    page.get_by_role("button", name="Dry run").click()
    expect(page.get_by_text("Nothing has changed yet.")).to_be_visible()
    expect(page.locator("del")).to_have_text("$0.0140 per 60, 6/6")
    expect(page.locator("ins")).to_have_text(["$0.0199 per 60, 6/6", "$2.5000 per 60, 60/60"])
    assert Rate.objects.count() == before
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Say why: it stands in the audit log.")).to_be_visible()
    page.get_by_label("Reason").fill("New carrier")
    page.get_by_role("button", name="Publish").click()

    expect(page.get_by_text("1 changed, 1 new.")).to_be_visible()
    assert Rate.objects.get(card=card, meter_id="call_out", prefix="1", valid_until=None).price_micros == 19_900


def test_it_mends_and_replays_what_was_kept_aside(ruth: User, northside: Northside, as_user: SignedInPage) -> None:
    page = as_user(ruth, "/admin/kept-aside/")
    page.get_by_role("link", name="unknown_meter").click()
    page.get_by_role("link", name="fax-1").click()
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("It is kept aside still")).to_be_visible()

    body = page.get_by_label("The event, as JSON")
    body.fill(body.input_value().replace("fax_out", "ai_task"))
    page.locator("section", has=page.get_by_role("heading", name="Mend")).get_by_label("Reason").fill("The platform misnamed it.")
    page.get_by_role("button", name="Save the correction").click()
    expect(page.get_by_text("Mended. Replay it now.")).to_be_visible()
    page.get_by_role("button", name="Replay").click()

    expect(page.get_by_text("Taken: charged.")).to_be_visible()
    assert KeptEvent.objects.get().status == "replayed"
    assert Event.objects.get(event_id="fax-1").wallet_id == northside.wallet.pk


def test_it_explains_what_a_run_has_found(ruth: User, stack: RunningStack, as_user: SignedInPage) -> None:
    # The sandbox knows nothing of this payment, and it is old enough to be known.
    TopUp.objects.update(resolved_at=timezone.now() - timedelta(hours=2))
    page = as_user(ruth, "/admin/reconciliation/")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_text("Books do not balance:")).to_be_visible(timeout=TURNS_WITHIN_MS)
    # A worker may be done before the page is there: then the page lists it at once, and has nothing more to show.
    if (show := page.get_by_role("link", name="Show what it found")).is_visible():
        show.click()
    page.get_by_role("link", name="Credit in the ledger without a payment at Stripe").click()
    expect(page.get_by_text("take the credit back by an adjustment")).to_be_visible()
    page.get_by_label("Why is this as it should be?").fill("Paid in cash.")
    page.get_by_role("button", name="Explain").click()

    expect(page.get_by_text("Books balance")).to_be_visible()
    assert Discrepancy.objects.get().explanation == "Paid in cash."


def test_it_tells_the_platforms_own_systems(ruth: User, as_user: SignedInPage) -> None:
    """From the address to the answer: the row in the log turns by itself."""
    with running_receiver() as receiver:
        page = as_user(ruth, "/admin/webhooks/")
        page.get_by_role("link", name="Add endpoint").click()
        page.get_by_label("Address").fill(receiver.url)
        page.get_by_role("button", name="Add endpoint").click()
        secret = page.locator("#signing-secret").inner_text()
        page.get_by_role("link", name="Go to the endpoint").click()
        page.get_by_role("button", name="Send a test").click()

        expect(page.locator("#log").get_by_text("Answered 200")).to_be_visible(timeout=TURNS_WITHIN_MS)
        page.locator("#log").get_by_role("link", name="Test").click()
        page.get_by_text("The answer").click()
        expect(page.get_by_text("thanks", exact=True)).to_be_visible()
        assert receiver.received[0].verified(secret)["type"] == "test.ping"


def _failed_message(northside: Northside) -> str:
    """The address of a message to the platform that was not taken, with its attempt."""
    endpoint = endpoint_of(None, "https://hooks.platform.example/" + "a" * 60, failing_since=timezone.now()).endpoint
    tell(northside.wallet)
    delivery = Delivery.objects.get(endpoint=endpoint)
    Delivery.objects.update(next_attempt_at=None, last_error="It answered 500.", last_status=500)
    delivery.log.create(started_at=timezone.now(), duration_ms=80, status=500, error="It answered 500.", answer="<h1>Oops</h1>")
    return f"webhooks/{endpoint.pk}/deliveries/{delivery.pk}/"


def test_it_has_no_faults(ruth: User, northside: Northside, as_user: SignedInPage) -> None:
    wallet, found = northside.wallet, {}
    save_card(wallet.pk, card_details(), connected_by=northside.alice)
    lost = Discrepancy.objects.create(kind="unknown_payment", reference="pi_9", words="Payment pi_9 of $12.00 has no top-up.")
    request_adjustment(
        wallet,
        amount_micros=150_000_000,
        reason="Ticket 4711",
        words="Credit",
        may_go_below_zero=False,
        request_id=new_form(),
        by=staff("frances"),
    )
    acts, message = f"/admin/wallets/{northside.workspace.public_id}", _failed_message(northside)
    pages = (
        "",
        "wallet/wallet/?q=4242",
        f"wallets/{wallet.pk}/",
        f"wallets/{wallet.pk}/transfers/",
        "approvals/",
        f"kept-aside/{KeptEvent.objects.get().pk}/",
        f"prices/{RateCard.objects.get(name='Standard USD').pk}/",
        f"what-if/?workspace={northside.workspace.public_id}&month={timezone.now():%Y-%m}",
        "reconciliation/",
        f"reconciliation/discrepancies/{lost.pk}/",
        "operations/",
        "webhooks/new",
        message,
        f"{message.partition('deliveries')[0]}?state=failed",
        "workspaces/user/",
        "usage/ratecard/add/",
    )
    page = as_user(ruth, "/admin/")
    for address in (*(f"/admin/{name}" for name in pages), f"{acts}/adjust/", f"{acts}/refund/"):
        page.goto(address)
        found[address] = faults_in_every_look(page)

    assert {address: faults for address, faults in found.items() if faults} == {}
