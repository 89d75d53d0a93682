"""Automatic payments from the panel to the bank and back: charged as announced, once, tried again, and with another card."""

import re

import pytest
from django.test import Client

from billing import limits
from billing.tests.automatic_panel import Panel, hidden_of, text_of
from stripe_sandbox.testing import RunningSandbox
from tests.payments import DOLLAR, MoneyIn
from wallet.models import Card, PaymentLink, TopUp
from wallet.services.checkout import open_checkout, return_from_checkout


@pytest.fixture
def panel(money_in: MoneyIn) -> Panel:
    """30 dollars and a good card."""
    money_in.give(30)
    return Panel(money_in.wallet, money_in.alice, money_in.connect_card())


# ---------------------------------------------------------------- the charge of now
def test_it_says_that_it_charges_now_and_does(panel: Panel, money_in: MoneyIn) -> None:
    money_in.take(25)
    form = panel.shown()
    assert "Saving charges $25.00 to Visa •••• 4242 right now, because only $5.00 is available." in text_of(panel.look())

    page = text_of(panel.send(form, follow=True))

    assert "Automatic payments are active. $25.00 is being charged to Visa •••• 4242 now." in page
    assert "Charging $25.00 to Visa •••• 4242…" in page
    money_in.work()
    money_in.deliver()
    assert (money_in.outcomes(), money_in.balance) == ([("succeeded", 25)], 30)


def test_it_says_that_a_cap_leaves_no_room(panel: Panel, money_in: MoneyIn) -> None:
    panel.save(daily_charges="1")
    money_in.use(25)
    money_in.work()
    money_in.take(28)

    assert "these limits leave no room for another charge yet" in text_of(panel.look())


# ---------------------------------------------------------------- once
def test_it_is_one_charge_by_a_double_click(panel: Panel, money_in: MoneyIn) -> None:
    money_in.take(25)
    form = panel.shown()

    for _ in range(3):
        assert panel.send(form).status_code == 302
        money_in.work()

    assert money_in.outcomes() == [("succeeded", 25)]
    assert money_in.charges() == 1


def test_it_is_one_charge_by_a_double_click_on_a_card_that_is_declined(panel: Panel, money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    money_in.take(25)
    sandbox.set_card_behaviour(panel.card.payment_method_id, "lost_card")
    form = panel.shown()
    for _ in range(2):
        assert panel.send(form).status_code == 302
        money_in.work()

    assert money_in.outcomes() == [("failed", 25)]


def test_it_asks_the_second_of_two_tabs_again(panel: Panel, money_in: MoneyIn) -> None:
    money_in.take(25)
    first, second = panel.shown(), panel.shown(amount="50")
    panel.send(first)
    money_in.work()

    response = panel.send(second)

    assert response.status_code == 422
    assert "Automatic payments have changed since this form was opened" in text_of(response)
    assert money_in.rule.amount_micros == 25 * DOLLAR
    assert panel.send(second | hidden_of(response)).status_code == 302
    assert (money_in.rule.amount_micros, money_in.charges()) == (50 * DOLLAR, 1)


# ---------------------------------------------------------------- off, again, another card
def test_it_switches_off_with_one_click(panel: Panel, money_in: MoneyIn) -> None:
    panel.save()

    page = text_of(panel.client.post(f"{panel.address}/off", follow=True))

    assert "Automatic payments are off. Nothing more is charged." in page
    assert "Not Active" in page
    money_in.use(25)
    money_in.work()
    assert money_in.outcomes() == []


@pytest.mark.parametrize(("status", "is_told"), [("sending", True), ("created", False)])
def test_it_says_what_becomes_of_a_payment_under_way(panel: Panel, money_in: MoneyIn, status: str, is_told: bool) -> None:
    panel.save()
    money_in.use(25)
    TopUp.objects.update(status=status)

    page = text_of(panel.client.post(f"{panel.address}/off", follow=True))

    assert ("The payment that is with your bank already is still added" in page) is is_told


def declined(panel: Panel, money_in: MoneyIn, behaviour: str) -> None:
    panel.save()
    money_in.sandbox.set_card_behaviour(panel.card.payment_method_id, behaviour)
    money_in.use(25)
    money_in.work()


@pytest.mark.parametrize("behaviour", ["lost_card", "insufficient_funds"])
def test_it_tries_again_on_the_owners_word(panel: Panel, money_in: MoneyIn, behaviour: str) -> None:
    declined(panel, money_in, behaviour)
    money_in.sandbox.set_card_behaviour(panel.card.payment_method_id, "succeeds")

    page = text_of(panel.try_again())
    money_in.work()

    assert "Automatic payments go on. $25.00 is being charged to Visa •••• 4242 now." in page
    assert money_in.outcomes() == [("failed", 25), ("succeeded", 25)]


def test_it_tries_once_by_a_double_click(panel: Panel, money_in: MoneyIn) -> None:
    declined(panel, money_in, "lost_card")
    standing = re.findall(r'name="standing" value="(\w+)"', panel.client.get(panel.page).content.decode())[0]

    for _ in range(3):
        panel.try_again(standing)
        money_in.work()

    assert money_in.outcomes() == [("failed", 25), ("failed", 25)]


def test_it_tries_only_so_often(panel: Panel, money_in: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.AUTOMATIC_TRIES_PER_WALLET.item, "amount", 2)
    declined(panel, money_in, "lost_card")

    statuses = []
    for _ in range(3):
        statuses.append(panel.try_again().status_code)
        money_in.work()

    assert statuses == [200, 200, 429]
    assert len(money_in.automatic()) == 3


def test_it_takes_making_a_refused_card_the_default_for_another_try(
    panel: Panel, money_in: MoneyIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits.AUTOMATIC_TRIES_PER_WALLET.item, "amount", 1)
    declined(panel, money_in, "lost_card")
    panel.try_again()
    money_in.work()

    assert panel.client.post(f"{panel.page}/cards/{panel.card.pk}/default").status_code == 429


@pytest.mark.parametrize("behaviour", ["insufficient_funds", "needs_authentication", "lost_card"])
def test_it_charges_the_other_card_that_is_connected_then(panel: Panel, money_in: MoneyIn, behaviour: str) -> None:
    declined(panel, money_in, behaviour)

    other = money_in.connect_card("pm_card_mastercard")
    money_in.sweep()

    assert [(top_up.card, top_up.status) for top_up in money_in.automatic()] == [(panel.card, "failed"), (other, "succeeded")]
    assert money_in.default_card == other


def test_it_leaves_the_default_alone_while_nothing_is_wrong(panel: Panel, money_in: MoneyIn) -> None:
    panel.save()

    money_in.connect_card("pm_card_mastercard")

    assert money_in.default_card == panel.card


def test_it_charges_another_card_from_the_panel(panel: Panel, money_in: MoneyIn) -> None:
    panel.save()
    other = money_in.connect_card("pm_card_mastercard")
    declined(panel, money_in, "lost_card")

    body = panel.look(card=other.pk).content.decode()
    assert re.search(rf'name="card" value="{other.pk}" checked', body)
    panel.save(card=other.pk)
    money_in.work()

    assert [(top_up.card, top_up.status) for top_up in money_in.automatic()] == [(panel.card, "failed"), (other, "succeeded")]


def test_it_lists_the_latest_payments_and_why_they_failed(panel: Panel, money_in: MoneyIn) -> None:
    declined(panel, money_in, "insufficient_funds")

    page = text_of(panel.look())

    assert "$25.00 — failed" in page
    assert "There is not enough money on the card." in page


# ---------------------------------------------------------------- connecting a card first
def test_it_leads_from_no_card_to_the_rule(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    client = Client()
    client.force_login(money_in.alice)
    page = f"/w/{money_in.wallet.workspace.public_id}/settings/billing"
    asked = client.get(f"{page}/automatic-payments").content.decode()
    assert "First, a card." in asked
    assert "Connecting it charges nothing." in text_of(client.get(f"{page}/automatic-payments"))

    request_id = re.findall(r'name="request_id" value="(\w+)"', asked)[0]
    response = client.post(f"{page}/connect-card", {"request_id": request_id, "then": "automatic-payments"})
    link = PaymentLink.objects.get()
    panel = f"{page}/links/{link.pk}?then=automatic-payments"
    assert response["Location"] == panel
    waiting = client.get(panel).content.decode()
    for way in ("Enter card details", "Scan the QR code", "Share the link"):
        assert way in waiting
    assert f'hx-get="{panel}"' in waiting

    sandbox.pay_checkout(open_checkout(link))
    return_from_checkout(link)

    rule = client.get(panel, follow=True)
    assert rule.redirect_chain == [(f"{page}/automatic-payments?card={Card.objects.get().pk}", 302)]
    assert "By saving I allow" in text_of(rule)


@pytest.mark.parametrize("act", ["email", "withdraw"])
def test_it_keeps_its_way_while_the_link_is_shared(money_in: MoneyIn, act: str) -> None:
    client = Client()
    client.force_login(money_in.alice)
    link = money_in.ask_for_link(dollars=None)
    panel = f"/w/{money_in.wallet.workspace.public_id}/settings/billing/links/{link.pk}"

    response = client.post(f"{panel}/{act}?then=automatic-payments", {"recipient": "finance@example.com"})

    assert response["Location"] == f"{panel}?then=automatic-payments"
