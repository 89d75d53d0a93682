"""Add Balance: what may be asked for, and that one form is one payment, however often it is sent."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from billing.forms import new_request_id, slider_stops
from billing.tests.conftest import SignedIn, a_card, connect, form
from stripe_sandbox.testing import RunningSandbox
from wallet.models import Card, PaymentLink, TopUp, Transfer, Wallet
from wallet.money import CURRENCIES, MICROS
from wallet.services.cards import remove_card
from wallet.services.wallets import open_wallet
from wallet.tests.builders import DOLLAR
from workspaces.models import User, Workspace

pytestmark = pytest.mark.django_db(transaction=True)

HTMX = {"HX-Request": "true"}


@pytest.fixture
def address(page: str) -> str:
    return f"{page}/add-balance"


def test_it_gives_each_form_an_id_in_its_address(alices: Client, address: str) -> None:
    response = alices.get(address, {"amount": "50"})

    assert response.status_code == 302
    assert re.search(r"\?amount=50&form=[0-9a-f]{32}$", response["Location"])
    shown = alices.get(response["Location"]).content.decode()
    assert 'value="50"' in shown
    assert response["Location"].rpartition("=")[2] in shown


def test_it_shows_a_page_without_htmx_and_a_part_with_it(alices: Client, address: str) -> None:
    whole = alices.get(address, follow=True).content.decode()
    part = alices.get(address, follow=True, headers=HTMX).content.decode()

    assert "<html" in whole
    assert "<html" not in part
    assert "Top Up Wallet Balance" in whole
    assert "Top Up Wallet Balance" in part
    assert "From $5.00 to $2,000.00" in part


def test_it_makes_a_link_where_there_is_no_card(alices: Client, alice: User, wallet: Wallet, address: str) -> None:
    response = alices.post(address, form("20.50"))

    link = PaymentLink.objects.get()
    assert response.status_code == 302
    assert response["Location"].endswith(f"/links/{link.pk}")
    assert (link.wallet, link.amount_micros, link.created_by) == (wallet, 20_500_000, alice)


def test_it_charges_the_saved_card_on_that_click(alices: Client, wallet: Wallet, stripe_card: Card, address: str) -> None:
    shown = alices.get(address, follow=True).content.decode()
    response = alices.post(address, form(pay_with=stripe_card.pk), follow=True, headers=HTMX)

    wallet.refresh_from_db()
    assert "Visa •••• 4242" in shown
    assert wallet.balance_micros == 20 * DOLLAR
    body = response.content.decode()
    assert "$20.00 added" in body
    assert "$20.00</b>" in body
    receipt_number = TopUp.objects.get().receipt_number
    assert receipt_number
    assert receipt_number in body
    assert response["HX-Trigger"] == '{"wallet-changed": {}}'


BAD_AMOUNTS = ["", " ", "0", "0.00", "-20", "+20", "4.99", "2000.01", "0.001", "20.001", "1e3", "1E9", "NaN", "Infinity", "-inf"]
BAD_AMOUNTS += ["٢٠", "２０", "20,50", "1,000", "$20", "20 20", "0x14", "999999999999999999", "9" * 400, "1_000", "<b>20</b>", "20\n21"]


@pytest.mark.parametrize("amount", BAD_AMOUNTS)
def test_it_refuses_what_is_no_amount(alices: Client, stripe_card: Card, address: str, amount: str) -> None:
    for pay_with in ("link", stripe_card.pk):
        response = alices.post(address, form(amount, pay_with=pay_with))

        assert response.status_code == 422
        assert 'aria-invalid="true"' in response.content.decode()
    assert not TopUp.objects.exists()
    assert not PaymentLink.objects.exists()


@pytest.mark.parametrize("amount", ["20", "20.0", "20.00", " 20 ", "020", "5", "2000"])
def test_it_takes_what_is_one(alices: Client, address: str, amount: str) -> None:
    assert alices.post(address, form(amount)).status_code == 302
    assert PaymentLink.objects.count() == 1


@pytest.mark.parametrize("request_id", ["", "x", "0" * 31, "0" * 33, "G" * 32, "0" * 32 + "\n"])
def test_it_needs_the_forms_own_id(alices: Client, address: str, request_id: str) -> None:
    response = alices.post(address, {**form(), "request_id": request_id})

    assert response.status_code == (302 if request_id.strip() == "0" * 32 else 422)


def test_it_takes_a_double_click_for_one_payment(alices: Client, wallet: Wallet, stripe_card: Card, address: str) -> None:
    sent = form(pay_with=stripe_card.pk)

    locations = {alices.post(address, sent)["Location"] for _ in range(3)}

    wallet.refresh_from_db()
    assert len(locations) == 1
    assert wallet.balance_micros == 20 * DOLLAR
    assert Transfer.objects.count() == 1


def test_it_leads_back_to_what_came_of_the_form(alices: Client, address: str) -> None:
    sent = form()
    location = alices.post(address, sent)["Location"]

    assert alices.get(address, {"form": sent["request_id"]})["Location"] == location


@pytest.mark.parametrize("later", [{"amount": "50"}, {"pay_with": "other card"}, {"pay_with": "link"}])
def test_it_does_nothing_for_a_form_sent_again_for_something_else(
    alices: Client, alice: User, wallet: Wallet, stripe_card: Card, address: str, later: dict[str, str]
) -> None:
    other = connect(wallet, by=alice, name="pm_card_mastercard")
    later = {**later, "pay_with": str(other.pk)} if later.get("pay_with") == "other card" else later
    sent = form(pay_with=stripe_card.pk)
    alices.post(address, sent)

    response = alices.post(address, {**sent, **later})

    wallet.refresh_from_db()
    assert response.status_code == 422
    assert "This form was already sent" in response.content.decode()
    assert wallet.balance_micros == 20 * DOLLAR
    assert not PaymentLink.objects.exists()


def test_it_charges_nothing_for_a_links_form_sent_again_for_a_card(alices: Client, wallet: Wallet, stripe_card: Card, address: str) -> None:
    sent = form()
    alices.post(address, sent)

    assert alices.post(address, {**sent, "pay_with": str(stripe_card.pk)}).status_code == 422
    assert not TopUp.objects.exists()


def test_it_takes_two_forms_for_two_payments(alices: Client, wallet: Wallet, stripe_card: Card, address: str) -> None:
    alices.post(address, form(pay_with=stripe_card.pk))
    alices.post(address, form(pay_with=stripe_card.pk))

    wallet.refresh_from_db()
    assert wallet.balance_micros == 40 * DOLLAR


@pytest.mark.parametrize("whose", ["elsewhere", "removed", "unknown", "nonsense"])
def test_it_charges_no_card_but_the_wallets_own(alices: Client, wallet: Wallet, elsewhere: Wallet, address: str, whose: str) -> None:
    card = a_card(elsewhere if whose == "elsewhere" else wallet)
    if whose == "removed":
        remove_card(card)
    pay_with = {"unknown": "999999", "nonsense": "1 OR 1"}.get(whose, str(card.pk))

    response = alices.post(address, form(pay_with=pay_with))

    assert response.status_code == 422
    assert "That card is not here any more" in response.content.decode()
    assert not TopUp.objects.exists()


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("insufficient_funds", "There is not enough money on the card."),
        ("generic_decline", "Your bank declined the card and gives no reason."),
        ("needs_authentication", "Your bank asks you to confirm"),
    ],
)
def test_it_says_a_decline_in_plain_words(
    alices: Client, alice: User, wallet: Wallet, sandbox: RunningSandbox, address: str, behaviour: str, said: str
) -> None:
    card = connect(wallet, by=alice, behaviour=behaviour, sandbox=sandbox)

    body = alices.post(address, form("35", pay_with=card.pk), follow=True, headers=HTMX).content.decode()

    wallet.refresh_from_db()
    assert said in body
    assert "Nothing was charged" in body
    assert wallet.balance_micros == 0
    # The way out: the same amount, another way.
    assert 'name="amount" value="35.00"' in body
    assert 'name="pay_with" value="link"' in body


def test_it_says_still_processing_while_the_outcome_is_unknown(
    alices: Client, wallet: Wallet, stripe_card: Card, sandbox: RunningSandbox, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.fault("error_after", match="payment_intents.create")

    response = alices.post(address, form(pay_with=stripe_card.pk), follow=True, headers=HTMX)

    top_up = TopUp.objects.get()
    assert top_up.status == TopUp.Status.UNKNOWN
    assert "The payment is on its way." in response.content.decode()
    shown_at = response.request["PATH_INFO"]
    stamp = re.search(r'"seen": "([^"]+)"', response.content.decode())
    assert stamp
    assert alices.get(shown_at, {"seen": stamp[1]}, headers=HTMX).status_code == 204

    TopUp.objects.update(created_at="2026-01-01T00:00Z")
    later = alices.get(shown_at, {"seen": stamp[1]}, headers=HTMX).content.decode()
    assert "Still processing — no need to pay again." in later


def test_it_refuses_bob_and_is_not_there_for_charlie(bob: User, charlie: User, signed_in: SignedIn, wallet: Wallet, address: str) -> None:
    for user, status in ((bob, 403), (charlie, 404)):
        assert signed_in(user).get(address).status_code == status
        assert signed_in(user).post(address, form()).status_code == status
    assert not PaymentLink.objects.exists()


def test_it_shows_no_top_up_through_another_workspace(
    charlie: User, signed_in: SignedIn, alices: Client, wallet: Wallet, stripe_card: Card, elsewhere: Wallet, address: str, page: str
) -> None:
    alices.post(address, form(pay_with=stripe_card.pk))
    top_up = TopUp.objects.get()

    foreign = page.replace(wallet.workspace.public_id, elsewhere.workspace.public_id)

    assert signed_in(charlie).get(f"{foreign}/top-ups/{top_up.pk}").status_code == 404
    assert alices.get(f"{page}/top-ups/{top_up.pk}").status_code == 200


def test_it_refuses_a_form_without_a_csrf_token(alice: User, address: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    assert client.post(address, form()).status_code == 403
    assert not PaymentLink.objects.exists()


def test_it_stops_after_many(alices: Client, address: str, two_a_minute: Callable[[str], None]) -> None:
    two_a_minute("TOP_UPS_PER_WALLET")
    sent = [form() for _ in range(3)]

    assert [alices.post(address, data).status_code for data in sent] == [302, 302, 429]
    # What was sent before is only shown again, and costs nothing.
    assert alices.post(address, sent[0]).status_code == 302
    assert PaymentLink.objects.count() == 2


def test_it_moves_no_money_without_redis(alices: Client, stripe_card: Card, address: str, no_redis: None) -> None:
    response = alices.post(address, form(pay_with=stripe_card.pk))

    assert response.status_code == 503
    assert response["Retry-After"] == "60"
    assert "Nothing was charged" in response.content.decode()
    assert not TopUp.objects.exists()
    assert alices.get(address, follow=True).status_code == 200


def test_it_asks_for_whole_yen(alice: User, workspace: Workspace, signed_in: SignedIn) -> None:
    open_wallet(workspace, currency="jpy")
    client, address = signed_in(alice), f"/w/{workspace.public_id}/settings/billing/add-balance"

    refused = client.post(address, form("2000.5"))
    assert refused.status_code == 422
    assert "Use whole amounts for JPY." in refused.content.decode()

    assert client.post(address, form("2000")).status_code == 302
    assert "¥2,000" in client.get(address, follow=True).content.decode()


@pytest.mark.parametrize("code", CURRENCIES)
def test_it_lets_every_stop_of_the_slider_be_paid(code: str) -> None:
    known, stops = CURRENCIES[code], slider_stops(code)

    assert stops == sorted(set(stops))
    assert stops[0] * MICROS == known.top_up_least_micros
    assert stops[-1] * MICROS == known.top_up_most_micros
    assert all(amount // MICROS in stops for amount in known.quick_amounts_micros)


def test_it_gives_each_form_another_id() -> None:
    assert new_request_id() != new_request_id()


def test_it_takes_get_and_post_alone(alices: Client, address: str) -> None:
    methods: list[Any] = [alices.put, alices.delete, alices.patch]

    assert [method(address).status_code for method in methods] == [405, 405, 405]
