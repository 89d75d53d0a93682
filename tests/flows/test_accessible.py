"""Every billing page and state, in light and dark, on a phone and on a desk: nothing that axe has to say against it."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone
from playwright.sync_api import Page, expect

from billing.export_requests import history_order, request_export
from billing.history import read_query
from billing.models import Export
from tests.axe import faults_in_every_look, faults_of
from tests.browser import Pages
from tests.flows.conftest import Northside, SignedInPage
from tests.flows.history import fill_history
from tests.stack import RunningStack
from wallet.models import Card, Delivery, EventType, PaymentLink, TopUp
from wallet.services.cards import save_card
from wallet.services.payment_links import payment_link_token, request_payment_link
from wallet.tests.builders import card_details
from wallet.tests.hooks import endpoint_of, tell


@dataclass
class Places:
    """Addresses in every state there is to see."""

    signed_in: dict[str, str]
    public: dict[str, str]


@pytest.fixture
def places(northside: Northside) -> Places:
    fill_history(northside.wallet, calls=30)
    first = save_card(northside.wallet.pk, card_details("1"), connected_by=northside.alice)
    save_card(northside.wallet.pk, card_details("2", brand="mastercard", last_four="4444", expiry_year=2020), connected_by=northside.alice)
    links = {name: _link(northside, name) for name in ("open", "expired", "withdrawn", "used", "processing")}
    connect = _link(northside, "connect", amount_micros=None)
    billing = northside.billing
    failed, unknown = _top_up(northside, first, "failed"), _top_up(northside, first, "unknown")
    paid = TopUp.objects.filter(status="succeeded").first()
    assert paid
    order = history_order(northside.wallet, kind=Export.Kind.TRANSACTIONS, query=read_query(QueryDict()), zone=northside.workspace.zone)
    request_export(order, by=northside.alice)
    return Places(
        signed_in={
            "billing": billing,
            "filtered to nothing": f"{billing}?show=messages&from=2020-01-01&until=2020-01-02",
            "add balance": f"{billing}/add-balance",
            "automatic payments": f"{billing}/automatic-payments",
            "e-mails": f"{billing}/e-mails",
            "exports": f"{billing}/exports",
            "three ways": f"{billing}/links/{connect.pk}",
            "remove card": f"{billing}/cards/{first.pk}/remove",
            "receipt": f"{billing}/receipts/{paid.receipt_number}",
            "declined": f"{billing}/top-ups/{failed.pk}",
            "still processing": f"{billing}/top-ups/{unknown.pk}",
            "added": f"{billing}/top-ups/{paid.pk}",
            **{f"link {name}": f"{billing}/links/{link.pk}" for name, link in links.items()},
            **_webhooks(northside),
        },
        public={
            **{f"pay {name}": _public(links[name]) for name in ("open", "used", "processing")},
            "pay connect": _public(connect),
            "pay unknown": "/pay/unknown",
        },
    )


def _webhooks(northside: Northside) -> dict[str, str]:
    base = f"/w/{northside.workspace.public_id}/settings/webhooks"
    endpoint = endpoint_of(northside.workspace, "https://hooks.northside.example/" + "a" * 60, failing_since=timezone.now()).endpoint
    for event in (EventType.LOW_BALANCE, EventType.DEPLETED, EventType.PAUSED):
        tell(northside.wallet, event=event)
    waiting, delivered, failed = Delivery.objects.order_by("pk")
    Delivery.objects.filter(pk=delivered.pk).update(next_attempt_at=None, delivered_at=timezone.now(), last_status=200)
    Delivery.objects.filter(pk=failed.pk).update(next_attempt_at=None, last_error="It answered 500.", last_status=500)
    Delivery.objects.filter(pk=waiting.pk).update(next_attempt_at=timezone.now() + timedelta(hours=1))
    failed.log.create(started_at=timezone.now(), duration_ms=80, status=500, error="It answered 500.", answer="<h1>Oops</h1>")
    page = f"{base}/{endpoint.pk}"
    return {
        "webhooks": base,
        "webhook": page,
        "webhook message": f"{page}/deliveries/{failed.pk}",
        "add webhook": f"{base}/new",
        "new secret": f"{page}/secret/new",
        "remove webhook": f"{page}/remove",
    }


def _public(link: PaymentLink) -> str:
    return f"/pay/{payment_link_token(link)}"


def _link(northside: Northside, name: str, *, amount_micros: int | None = 20_000_000) -> PaymentLink:
    purpose = PaymentLink.Purpose.PAY if amount_micros else PaymentLink.Purpose.CONNECT_CARD
    link = request_payment_link(
        northside.wallet, purpose=purpose, amount_micros=amount_micros, request_id=name, requested_by=northside.alice
    )
    stamps = {"expired": "expires_at", "withdrawn": "withdrawn_at", "used": "used_at"}
    if name in stamps:
        PaymentLink.objects.filter(pk=link.pk).update(**{stamps[name]: timezone.now()})
    if name == "processing":
        top_up = TopUp(wallet=northside.wallet, origin="payment_link", amount_micros=20_000_000, payment_link=link, request_id=name)
        top_up.status = TopUp.Status.PROCESSING
        top_up.save()
    return link


def _top_up(northside: Northside, card: Card, status: str) -> TopUp:
    return TopUp.objects.create(
        wallet=northside.wallet,
        origin="manual",
        amount_micros=20_000_000,
        card=card,
        request_id=status,
        status=status,
        decline_code="insufficient_funds" if status == "failed" else "",
        resolved_at=timezone.now() if status == "failed" else None,
        created_at=timezone.now() - timedelta(minutes=1),
    )


def test_it_has_no_faults(as_user: SignedInPage, pages: Pages, northside: Northside, places: Places) -> None:
    found: dict[str, list[str]] = {}
    owner, anyone = as_user(northside.alice, northside.billing), pages.open("/pay/unknown")
    for page, addresses in ((owner, places.signed_in), (anyone, places.public)):
        for name, address in addresses.items():
            page.goto(address)
            found[name] = faults_in_every_look(page)

    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_it_has_no_faults_in_dialogs_and_popovers(as_user: SignedInPage, northside: Northside, places: Places, phone: bool) -> None:
    page = as_user(northside.alice, northside.billing, phone=phone)
    # What is pressed, and what then is there.
    steps = {
        "row open": (page.locator("#history summary.kind").first, page.locator("#history .explained dt").first),
        "period": (page.locator(".period summary").filter(has_text="Period"), page.get_by_label("From")),
        "card menu": (page.locator("#cards .menu summary").first, page.get_by_role("link", name="Remove…").first),
        "add balance": (page.get_by_role("link", name="Add Balance"), page.get_by_label("Amount in US dollars")),
    }
    found = {}
    for name, (button, shown) in steps.items():
        button.click()
        expect(shown).to_be_visible()
        found[name] = [*faults_of(page), *cut_off(page)]

    assert {name: faults for name, faults in found.items() if faults} == {}


def cut_off(page: Page) -> list[str]:
    """Popovers that reach beyond a side of the screen."""
    reaches_out = "one => { const box = one.getBoundingClientRect(); return box.left < 0 || box.right > innerWidth }"
    found: list[str] = page.locator(".popover:visible").evaluate_all(f"all => all.filter({reaches_out}).map(one => one.innerText)")
    return [f"beyond the edge: {text}" for text in found]


def test_it_can_all_be_done_by_keyboard(as_user: SignedInPage, northside: Northside, stack: RunningStack) -> None:
    page = as_user(northside.alice, northside.billing)
    page.get_by_role("link", name="Add Balance").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Amount in US dollars")).to_be_focused()
    # The box's text is chosen: typing replaces it, Enter sends.
    page.keyboard.type("25")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Waiting for payment")).to_be_visible()
    expect(page.locator("#dialog-title")).to_be_focused()
    page.keyboard.press("Escape")

    assert PaymentLink.objects.get().amount_micros == 25_000_000
    expect(page.locator("#dialog")).to_be_hidden()
    expect(page.locator("#add-balance")).to_be_focused()
