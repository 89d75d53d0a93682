"""The public payment pages: for whoever holds the link, and nobody learns more than name and amount."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.tests.automatic_states import Stage
from billing.tests.conftest import SignedIn, a_card, a_link
from stripe_sandbox.testing import RunningSandbox
from wallet.models import CardSetup, PaymentLink, TopUp, Wallet
from wallet.services.checkout import open_checkout, return_from_checkout
from wallet.services.payment_links import payment_link_token
from wallet.tests.builders import DOLLAR
from workspaces.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def address(pay_link: PaymentLink) -> str:
    return f"/pay/{payment_link_token(pay_link)}"


@pytest.fixture
def payer() -> Client:
    """A browser of someone who has no login."""
    return Client()


def body_of(response: Any) -> str:
    """The page without what differs on every request."""
    return re.sub(r'("X-CSRFToken": |value=)"[^"]+"', "", response.content.decode())


def assert_private(response: Any) -> None:
    assert "no-store" in response["Cache-Control"]
    assert response["X-Robots-Tag"] == "noindex, nofollow"
    assert response["Referrer-Policy"] == "no-referrer"


def test_it_says_who_asks_and_how_much_and_nothing_else(payer: Client, wallet: Wallet, alice: User, address: str) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(balance_micros=7_770_000)

    response = payer.get(address)

    body = body_of(response)
    assert_private(response)
    assert response.status_code == 200
    assert "Northside Realty" in body
    assert "Pay $20.00" in body
    assert "Secured by Stripe" in body
    for secret in (alice.email, "Alice", wallet.workspace.public_id, "7.77", "America/New_York", str(PaymentLink.objects.get().pk)):
        assert secret not in body


def test_it_does_not_tick_the_consent(payer: Client, address: str) -> None:
    checkbox = re.search(r'<input type="checkbox"[^>]*>', payer.get(address).content.decode())

    assert checkbox
    assert "checked" not in checkbox[0]


def test_it_leads_to_the_hosted_page(payer: Client, pay_link: PaymentLink, address: str, sandbox: RunningSandbox) -> None:
    response = payer.post(address)

    top_up = TopUp.objects.get()
    assert response.status_code == 302
    assert response["Location"] == top_up.checkout_url
    assert response["Location"].startswith(sandbox.checkout_url)
    assert_private(response)
    assert (top_up.payment_link, top_up.amount_micros, top_up.saves_card) == (pay_link, 20 * DOLLAR, False)


def test_it_takes_no_amount_from_the_payer(payer: Client, address: str, sandbox: RunningSandbox) -> None:
    payer.post(address, {"amount": "1", "amount_micros": "1", "workspace": "other"})

    assert TopUp.objects.get().amount_micros == 20 * DOLLAR


def test_it_saves_the_card_only_with_consent(payer: Client, wallet: Wallet, address: str, sandbox: RunningSandbox) -> None:
    payer.post(address, {"saves_card": "on"})

    assert TopUp.objects.get().saves_card


def test_it_opens_one_session_however_often_it_is_pressed(payer: Client, address: str, sandbox: RunningSandbox) -> None:
    assert payer.post(address)["Location"] == payer.post(address)["Location"]
    assert TopUp.objects.count() == 1


def test_it_credits_whoever_comes_back_paid(payer: Client, wallet: Wallet, address: str, sandbox: RunningSandbox) -> None:
    page = sandbox.pay_checkout(payer.post(address)["Location"])
    back = page.location.removeprefix("http://testserver")

    response = payer.get(back)

    wallet.refresh_from_db()
    assert back == f"{address}/return"
    assert_private(response)
    assert '<h1 tabindex="-1">Paid</h1>' in response.content.decode()
    assert wallet.balance_micros == 20 * DOLLAR


def test_it_believes_no_address(payer: Client, wallet: Wallet, address: str, sandbox: RunningSandbox) -> None:
    payer.post(address)

    response = payer.get(f"{address}/return?session_id=cs_paid&paid=1")

    wallet.refresh_from_db()
    assert response.status_code == 302
    assert response["Location"] == address
    assert wallet.balance_micros == 0


def test_it_says_already_paid(payer: Client, pay_link: PaymentLink, address: str, sandbox: RunningSandbox) -> None:
    sandbox.pay_checkout(open_checkout(pay_link))
    return_from_checkout(pay_link)

    for response in (payer.get(address), payer.post(address)):
        assert response.status_code == 200
        assert "Already paid" in response.content.decode()
        assert "<form" not in response.content.decode()
    assert TopUp.objects.count() == 1


def test_it_says_processing_while_the_bank_decides(payer: Client, pay_link: PaymentLink, address: str, sandbox: RunningSandbox) -> None:
    sandbox.pay_checkout_by_bank(open_checkout(pay_link))

    for path in (f"{address}/return", address):
        body = payer.get(path).content.decode()
        assert "No need to pay again." in body
        assert "<form" not in body


def test_it_says_processing_while_stripe_does_not_answer(
    payer: Client, pay_link: PaymentLink, address: str, sandbox: RunningSandbox
) -> None:
    sandbox.pay_checkout(open_checkout(pay_link))
    sandbox.fault("rate_limit", match="checkout.sessions.retrieve")

    first = payer.get(f"{address}/return").content.decode()
    assert "No need to pay again." in first
    assert f'hx-get="{address}/return"' in first

    second = payer.get(f"{address}/return", headers={"HX-Request": "true"}).content.decode()
    assert ">Paid</h1>" in second
    assert "<html" not in second


def test_it_need_not_be_paid_while_a_saved_card_is_charged(
    payer: Client, alices: Client, wallet: Wallet, alice: User, pay_link: PaymentLink, address: str, page: str
) -> None:
    stage = Stage(wallet, alice, a_card(wallet))
    stage.put_into("charging")

    for response in (payer.get(address), payer.post(address), payer.get(f"{address}/return")):
        body = response.content.decode()
        assert "A saved card is being charged for this right now." in body
        assert f'hx-get="{address}"' in body
        assert "<form" not in body
    assert not TopUp.objects.filter(origin="payment_link").exists()
    owners = alices.get(f"{page}/links/{pay_link.pk}").content.decode()
    assert "no need to pay" in owners
    assert "Pay here" not in owners

    # It failed: the page turns back by itself.
    stage.put_into("declined")
    TopUp.objects.filter(status="succeeded").delete()
    turned = payer.get(address, headers={"HX-Request": "true"}).content.decode()
    assert "Pay $20.00" in turned
    assert "A saved card was charged a moment ago." not in turned


def test_it_says_that_a_saved_card_was_charged_meanwhile(payer: Client, wallet: Wallet, alice: User, address: str) -> None:
    Stage(wallet, alice, a_card(wallet)).put_into("active")
    assert "A saved card was charged a moment ago." in payer.get(address).content.decode()

    TopUp.objects.update(resolved_at=timezone.now() - timedelta(hours=1))
    assert "A saved card was charged a moment ago." not in payer.get(address).content.decode()


def test_it_says_that_the_bank_asks_and_keeps_the_card_by_default(payer: Client, wallet: Wallet, alice: User, address: str) -> None:
    Stage(wallet, alice, a_card(wallet)).put_into("to confirm")
    confirms = f"/pay/{payment_link_token(wallet.payment_links.get(request_id__startswith='confirm:'))}"

    body = payer.get(confirms).content.decode()

    assert "Your bank asks you to confirm" in body
    assert re.search(r'<input type="checkbox" name="saves_card" checked>', body)
    assert "Your bank asks you to confirm" not in payer.get(address).content.decode()


def test_it_connects_a_card(payer: Client, wallet: Wallet, alice: User, sandbox: RunningSandbox) -> None:
    address = f"/pay/{payment_link_token(a_link(wallet, by=alice, dollars=None))}"

    asked = payer.get(address).content.decode()
    assert "Connect card" in asked
    assert "By connecting the card you allow" in asked
    assert "Nothing is charged now." in asked

    sandbox.pay_checkout(payer.post(address)["Location"])
    assert "Card connected" in payer.get(f"{address}/return").content.decode()
    assert "Already connected" in payer.get(address).content.decode()
    assert CardSetup.objects.get().status == CardSetup.Status.SUCCEEDED


def test_it_answers_every_unusable_link_alike(payer: Client, wallet: Wallet, alice: User) -> None:
    expired, withdrawn = a_link(wallet, by=alice), a_link(wallet, by=alice)
    PaymentLink.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    PaymentLink.objects.filter(pk=withdrawn.pk).update(withdrawn_at=timezone.now())
    good = payment_link_token(a_link(wallet, by=alice))
    tokens = [payment_link_token(expired), payment_link_token(withdrawn), "x" * 43, good[:-1], good.swapcase(), "ü", "%00", "'", "a" * 500]

    responses = [ask(f"/pay/{token}") for token in tokens for ask in (payer.get, payer.post)]
    responses += [payer.get(f"/pay/{token}/return") for token in tokens[2:]]

    assert {response.status_code for response in responses} == {404}
    assert len({body_of(response) for response in responses}) == 1
    for response in responses:
        assert_private(response)
    assert "doesn’t work any more" in responses[0].content.decode()
    assert "Northside" not in responses[0].content.decode()


def test_it_pays_no_link_that_is_over(payer: Client, pay_link: PaymentLink, address: str, sandbox: RunningSandbox) -> None:
    PaymentLink.objects.filter(pk=pay_link.pk).update(expires_at=timezone.now())

    assert payer.post(address).status_code == 404
    assert not TopUp.objects.exists()


def test_it_refuses_a_forged_form(address: str, pay_link: PaymentLink) -> None:
    client = Client(enforce_csrf_checks=True)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get(address).content.decode())
    assert token

    assert client.post(address).status_code == 403
    forged = client.post(address, {"csrfmiddlewaretoken": token[1]}, headers={"Origin": "https://evil.test"})
    assert forged.status_code == 403
    assert not TopUp.objects.exists()


def test_it_takes_its_own_form_from_someone_without_a_login(address: str, sandbox: RunningSandbox) -> None:
    client = Client(enforce_csrf_checks=True)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get(address).content.decode())
    assert token

    sent = client.post(address, {"csrfmiddlewaretoken": token[1]}, headers={"Origin": "http://testserver"})

    assert sent.status_code == 302


def test_it_says_that_stripe_is_not_there(payer: Client, address: str, sandbox: RunningSandbox) -> None:
    sandbox.fault("error_before", match="checkout.sessions.create", saved=False)

    response = payer.post(address)
    assert response.status_code == 503
    assert "Try again in a minute" in response.content.decode()

    assert payer.post(address).status_code == 302
    assert TopUp.objects.count() == 1


def test_it_stops_after_many_on_one_link(payer: Client, address: str, sandbox: RunningSandbox, two_a_minute: Callable[[str], None]) -> None:
    two_a_minute("CHECKOUTS_PER_LINK")

    statuses = [payer.post(address, REMOTE_ADDR=f"203.0.113.{number}").status_code for number in range(3)]

    assert statuses == [302, 302, 429]
    assert payer.get(address).status_code == 200


def test_it_stops_after_many_from_one_address(
    payer: Client, wallet: Wallet, alice: User, sandbox: RunningSandbox, two_a_minute: Callable[[str], None]
) -> None:
    two_a_minute("CHECKOUTS_PER_ADDRESS")
    links = [f"/pay/{payment_link_token(a_link(wallet, by=alice))}" for _ in range(3)]

    # What a caller writes into the header is no other address.
    statuses = [payer.post(link, headers={"X-Forwarded-For": f"198.51.100.{number}"}).status_code for number, link in enumerate(links)]

    assert statuses == [302, 302, 429]
    assert payer.post(links[2], REMOTE_ADDR="203.0.113.9").status_code == 302


def test_it_stops_guessing(payer: Client, address: str, two_a_minute: Callable[[str], None]) -> None:
    two_a_minute("UNKNOWN_TOKENS_PER_ADDRESS")

    statuses = [payer.get(f"/pay/{'x' * 42}{number}").status_code for number in range(4)]

    assert statuses == [404, 404, 429, 429]
    # Right guesses tell nothing either; other people are not concerned.
    assert payer.get(address).status_code == 429
    assert payer.get(address, REMOTE_ADDR="203.0.113.9").status_code == 200


def test_it_asks_stripe_only_so_often(
    payer: Client, pay_link: PaymentLink, address: str, sandbox: RunningSandbox, two_a_minute: Callable[[str], None]
) -> None:
    two_a_minute("RETURNS_PER_LINK")
    payer.post(address)

    for _ in range(4):
        payer.get(f"{address}/return")

    assert sum(request["operation"] == "checkout.sessions.retrieve" for request in sandbox.state()["requests"]) == 2


def test_it_moves_no_money_without_redis_and_still_reads(payer: Client, address: str, no_redis: None) -> None:
    assert payer.get(address).status_code == 200
    assert payer.get("/pay/unknown").status_code == 404

    response = payer.post(address)

    assert response.status_code == 503
    assert response["Retry-After"] == "60"
    assert_private(response)
    assert "Nothing was charged" in response.content.decode()
    assert not TopUp.objects.exists()


def test_it_leads_an_admin_back_to_billing(
    alices: Client, bob: User, signed_in: SignedIn, pay_link: PaymentLink, address: str, page: str, sandbox: RunningSandbox
) -> None:
    sandbox.pay_checkout(open_checkout(pay_link))
    return_from_checkout(pay_link)

    assert page in alices.get(address).content.decode()
    assert page not in signed_in(bob).get(address).content.decode()


def test_it_leads_an_admin_from_the_new_card_to_the_rule(
    alices: Client, payer: Client, wallet: Wallet, alice: User, page: str, sandbox: RunningSandbox
) -> None:
    link = a_link(wallet, by=alice, dollars=None)
    sandbox.pay_checkout(open_checkout(link))
    return_from_checkout(link)
    address = f"/pay/{payment_link_token(link)}"

    assert f'href="{page}/automatic-payments"' in alices.get(address).content.decode()
    assert "automatic-payments" not in payer.get(address).content.decode()


@pytest.mark.parametrize("tail", ["", "/return"])
def test_it_takes_no_other_methods(payer: Client, address: str, tail: str) -> None:
    for method in (payer.put, payer.delete, payer.patch):
        assert method(address + tail).status_code == 405


def test_it_writes_hostile_names_as_names(payer: Client, wallet: Wallet, address: str) -> None:
    wallet.workspace.name = '"><script>alert(1)</script>'
    wallet.workspace.save(update_fields=["name"])

    assert "<script>alert" not in payer.get(address).content.decode()
