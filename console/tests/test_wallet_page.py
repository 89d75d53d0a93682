"""The wallet's page: found by what a customer quotes, and everything that happened in one line of time."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.tests.automatic_states import Stage
from console import timeline as timelines
from console.records.events import redacted
from console.search import wallets_found
from console.timeline import timeline_page
from usage.models import Event, ProviderCost
from usage.tests.stage import US, Metering
from wallet.models import FormerCustomer, Notice, PaymentLink, TopUp, Wallet, WebhookEvent
from wallet.services.cards import save_card
from wallet.services.holds import place_hold
from wallet.services.payment_links import payment_link_token, request_payment_link
from wallet.tests.builders import card_details, make_wallet, paid_top_up
from workspaces.acting import Actor, ActorKind, acting_as
from workspaces.services.audit import record

pytestmark = pytest.mark.django_db


def the_top_up(wallet: Wallet) -> TopUp:
    return TopUp.objects.get(wallet=wallet)


QUOTED: dict[str, Callable[[Wallet], str]] = {
    "name": lambda wallet: "bake",
    "public id": lambda wallet: wallet.workspace.public_id,
    "external id": lambda wallet: "customer 7",
    "e-mail": lambda wallet: "Alice@Bakery.example",
    "last four": lambda wallet: "4242",
    "receipt": lambda wallet: str(the_top_up(wallet).receipt_number).lower(),
    "payment": lambda wallet: str(the_top_up(wallet).payment_intent_id),
    "top-up": lambda wallet: str(the_top_up(wallet).pk),
    "customer at Stripe": lambda wallet: str(wallet.stripe_customer_id),
    "former customer at Stripe": lambda wallet: "cus_deleted",
    "event of Stripe's": lambda wallet: "evt_of_the_payment",
}


@pytest.fixture
def known(wallet: Wallet) -> Wallet:
    """With an id of the platform's, a card and an event about its payment; beside it a wallet that nobody asks for."""
    make_wallet(name="Charlie's Garage")
    wallet.workspace.external_id = "customer 7"
    wallet.workspace.save(update_fields=["external_id"])
    save_card(wallet.pk, card_details("1"), connected_by=None)
    WebhookEvent.objects.create(
        stripe_event_id="evt_of_the_payment",
        type="payment_intent.succeeded",
        object_id=str(the_top_up(wallet).payment_intent_id),
        payload={"data": {"object": {"id": "pi", "billing_details": {"email": "payer@example.com"}, "amount": 2000}}},
        status=WebhookEvent.Status.HANDLED,
    )
    FormerCustomer.objects.create(customer_id="cus_deleted", wallet=wallet, let_go_at=timezone.now())
    return wallet


def test_it_finds_a_wallet_by_what_a_customer_quotes(known: Wallet, sam: Client) -> None:
    for what, quoted in QUOTED.items():
        assert list(wallets_found(quoted(known))) == [known.pk], what

    text = QUOTED["receipt"](known)
    page = sam.get(reverse("admin:wallet_wallet_changelist"), {"q": text}).content.decode()
    assert known.workspace.public_id in page
    assert "Charlie" not in page


def test_it_finds_a_wallet_by_a_use(metering: Metering) -> None:
    make_wallet(name="Charlie's Garage")
    metering.report(metering.event(id="call-77", data={"to": US}))

    for text in ("+1 (415) 555-0142", "4155550142", "call-77", "/calls call-77"):
        assert list(wallets_found(text)) == [metering.wallet.pk], text


def test_it_finds_nothing_by_what_is_nobodys(known: Wallet, sam: Client) -> None:
    for text in ["", "nobody", "0000", "pi_none", "evt_none", "%", "a\x00b", "x" * 500, "+15005550006"]:
        assert wallets_found(text) == {}, text
        assert sam.get(reverse("admin:wallet_wallet_changelist"), {"q": text}).status_code == 200


def test_it_tells_everything_in_one_line_of_time(known: Wallet, sam: Client) -> None:
    Notice.objects.create(
        wallet=known, kind=Notice.Kind.LOW_BALANCE, recipient="alice@bakery.example", reference="today", sent_at=timezone.now()
    )
    failed = TopUp.objects.create(wallet=known, origin="automatic", amount_micros=25_000_000, request_id="a", status="failed",
                                  decline_code="insufficient_funds", resolved_at=timezone.now())  # fmt: skip
    with acting_as(Actor(ActorKind.PERSON, "frances@operator.example")):
        record("wallet.frozen", workspace=known.pk, reason="Looks stolen.", as_staff=True)

    page = sam.get(reverse("admin:console_wallet", args=[known.pk])).content.decode()

    for words in (
        "Visa •••• 4242 connected",
        "insufficient_funds",
        "payment_intent.succeeded",
        "Low balance",
        "Wallet frozen",
        "Looks stolen.",
        "$20.00",
    ):
        assert words in page, words
    assert reverse("admin:wallet_topup_change", args=[failed.pk]) in page


@pytest.mark.parametrize(
    ("state", "pill", "said"),
    [
        ("active", "Active", ""),
        ("capped today", "Paused", "No more charges today"),
        ("suspended", "Suspended", "declined"),
        ("off", "Not Active", ""),
    ],
)
def test_it_says_of_automatic_payments_what_their_owner_reads(wallet: Wallet, sam: Client, state: str, pill: str, said: str) -> None:
    alice = wallet.workspace.memberships.get().user
    Stage(wallet, alice, save_card(wallet.pk, card_details("1"), connected_by=alice)).put_into(state)

    page = sam.get(reverse("admin:console_wallet", args=[wallet.pk])).content.decode()

    assert f">{pill}</span>" in page
    assert said in page


def test_it_lists_the_book_and_what_each_use_cost_the_operator(metering: Metering, sam: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.views.wallets.TRANSFERS_SHOWN", 1)
    metering.report(metering.event(id="call-77"))
    key = Event.objects.get().key
    ProviderCost.objects.create(key=key, source="/calls", event_id="call-77", amount_micros=13_500, currency="thb")
    address = reverse("admin:console_transfers", args=[metering.wallet.pk])

    newest = sam.get(address).content.decode()
    earlier = sam.get(address, {"before": metering.fresh.last_seq}).content.decode()

    assert "0.013500 THB" in newest
    assert f"?before={metering.fresh.last_seq}" in newest
    assert "adjustments → wallet" in earlier
    assert "0.013500 THB" in sam.get(reverse("admin:console_wallet", args=[metering.wallet.pk])).content.decode()
    assert [sam.get(address, {"before": wild}).status_code for wild in ("x", "-1", "²", "9" * 40)] == [200] * 4


def test_it_lists_the_open_holds_of_one_wallet(wallet: Wallet, sam: Client) -> None:
    other = make_wallet(name="Charlie's Garage")
    paid_top_up(other, 20_000_000)
    for of, name in ((wallet, "call-of-alice"), (other, "call-of-charlie")):
        place_hold(of.pk, amount_micros=1_000_000, reference=name, idempotency_key=name, lifetime=timedelta(hours=1))

    page = sam.get(reverse("admin:console_wallet_holds", args=[wallet.pk])).content.decode()

    assert "call-of-alice" in page
    assert "call-of-charlie" not in page


def test_it_tells_of_a_former_customer_too(known: Wallet) -> None:
    for customer_id in ("cus_deleted", str(known.stripe_customer_id), "cus_of_charlie"):
        WebhookEvent.objects.create(
            stripe_event_id=f"evt_{customer_id}", type="customer.deleted", object_id=customer_id, payload={}, status="handled"
        )

    about = {entry.text for entry in timeline_page(known, groups=["stripe"]).entries}

    assert any("cus_deleted" in text for text in about)
    assert not any("cus_of_charlie" in text for text in about)


def test_it_filters_by_kind(known: Wallet) -> None:
    groups = {entry.group for entry in timeline_page(known, groups=["stripe", "money"]).entries}

    assert groups == {"stripe", "money"}


def test_it_pages_without_losing_or_doubling_what_happened_at_one_moment(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = timezone.now() - timedelta(days=1)
    notices = [Notice(wallet=wallet, kind="receipt", recipient=f"{number}@bakery.example", reference="r") for number in range(9)]
    Notice.objects.bulk_create(notices)
    Notice.objects.filter(wallet=wallet).update(created_at=moment)
    events = [
        WebhookEvent(stripe_event_id=f"evt_{n}", type="x", object_id=str(wallet.stripe_customer_id), payload={}, status="handled")
        for n in range(9)
    ]
    WebhookEvent.objects.bulk_create(events)
    WebhookEvent.objects.update(received_at=moment)
    everything = [entry.cursor for entry in timeline_page(wallet).entries]
    monkeypatch.setattr(timelines, "PAGE_ENTRIES", 4)

    seen, before = [], ""
    while True:
        page = timeline_page(wallet, before=before)
        seen += [entry.cursor for entry in page.entries]
        before = page.next_before
        if not before:
            break

    assert seen == everything
    assert len(set(seen)) == len(seen) >= 18


@pytest.mark.parametrize(
    "before", ["x", "2026-01-01|transfer|1", "2026-01-01T00:00:00+00:00|nowhere|1", "2099-01-01T00:00:00+00:00|top-up|x"]
)
def test_it_survives_any_place_in_the_address(known: Wallet, sam: Client, before: str) -> None:
    assert sam.get(reverse("admin:console_wallet", args=[known.pk]), {"before": before}).status_code == 200


def test_it_never_shows_a_links_token_or_a_payers_address(known: Wallet, sam: Client) -> None:
    link = request_payment_link(known, purpose=PaymentLink.Purpose.PAY, amount_micros=5_000_000, request_id="r", requested_by=None)

    shown = sam.get(reverse("admin:wallet_paymentlink_change", args=[link.pk])).content.decode()
    event = sam.get(reverse("admin:wallet_webhookevent_change", args=["evt_of_the_payment"]), follow=True).content.decode()

    assert payment_link_token(link) not in shown
    assert link.token_sha256 not in shown
    assert "payer@example.com" not in event
    assert "2000" in event


def test_it_leaves_out_of_a_payload_whatever_it_does_not_know() -> None:
    kept = redacted({"id": "ch_1", "data": {"object": {"amount": 5, "billing_details": {"name": "Pat"}, "new_at_stripe": "?"}}})

    assert kept == {"id": "ch_1", "data": {"object": {"amount": 5, "billing_details": "…", "new_at_stripe": "…"}}}
