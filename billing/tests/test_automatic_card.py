"""The Automatic Payments card on Billing: what it says in each state, the ways out, and that the page turns with it."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from billing.automatic_mode import PILLS
from billing.tests.automatic_states import STATES, TERMS, Stage
from billing.tests.conftest import a_card
from wallet.models import Card, Wallet
from wallet.services.automatic_payments import switch_on
from wallet.services.cards import set_backup_card
from wallet.services.payment_links import payment_link_token
from wallet.tests.builders import DOLLAR
from workspaces.models import AuditEntry, User

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
SENTENCE = "When available drops below $10.00 , charge $25.00 to Visa •••• 4242 ."
SAID = {
    "off": ("Not Active", "Keep calls and agents running"),
    "active": ("Active", SENTENCE),
    "charging": ("Active", "Charging $25.00 to Visa •••• 4242…"),
    "in review": ("Being checked", "The last payment of $25.00 is being checked."),
    "declined": ("Declined", "Visa •••• 4242 was declined. There is not enough money on the card. It is tried again on"),
    "suspended": ("Suspended", "There is not enough money on the card. Nothing is charged until you try again or use another card."),
    "three times declined": ("Suspended", "It was tried three times. Nothing is charged until you try again"),
    "not confirmed": ("Suspended", "The payment was not confirmed in time."),
    "to confirm": ("Waiting for you", "Your bank asks you to confirm $25.00."),
    "capped": ("Paused", "The monthly cap is reached. What is left of $25.00 is too little for another charge."),
    "capped today": ("Paused", "No more charges today. You allow once a day. Nothing more is charged before"),
    "on hold": ("On hold", "We have paused them for everybody for a while."),
    "disputed": ("On hold", "Nothing is charged before that is settled."),
}
WAYS_OUT = ("Try again", "Use another card", "Confirm payment")
OFFERED = {
    "declined": ("Try again", "Use another card"),
    "suspended": ("Try again", "Use another card"),
    "three times declined": ("Try again", "Use another card"),
    "not confirmed": ("Try again", "Use another card"),
    "to confirm": ("Use another card", "Confirm payment"),
}


@pytest.fixture
def stage(wallet: Wallet, alice: User) -> Stage:
    return Stage(wallet, alice, a_card(wallet))


def card_of(response: Any) -> str:
    """The card's own markup."""
    found = re.search(r'<section class="card automatic-card".*?</section>', response.content.decode(), re.DOTALL)
    assert found
    return found[0]


def words(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup)).replace(" .", ".").replace("below $10.00 ,", "below $10.00 ,")


def version_of(response: Any) -> str:
    found = re.search(r'"seen": "([0-9a-f]+)"', response.content.decode())
    assert found
    return found[1]


@pytest.mark.parametrize("state", STATES)
def test_it_says_how_they_stand(alices: Client, stage: Stage, page: str, state: str) -> None:
    stage.put_into(state)

    markup = card_of(alices.get(page))

    pill, said = SAID[state]
    assert re.search(rf'class="pill [a-z]+"[^>]*>{pill}<', markup)
    assert said.replace(" .", ".") in words(markup)
    assert [way for way in WAYS_OUT if way in markup] == list(OFFERED.get(state, ()))


@pytest.mark.parametrize("state", STATES)
def test_it_turns_the_page_that_is_open(alices: Client, stage: Stage, page: str, state: str) -> None:
    stage.put_into("active" if state != "active" else "off")
    seen = version_of(alices.get(page))
    assert alices.get(f"{page}/refresh", {"seen": seen}, headers=HTMX).status_code == 204

    stage.put_into(state)

    assert SAID[state][0] in card_of(alices.get(f"{page}/refresh", {"seen": seen}, headers=HTMX))


@pytest.mark.parametrize(("state", "every"), [("off", None), ("active", "10s"), ("charging", "5s")])
def test_it_looks_by_itself_while_they_are_active(alices: Client, stage: Stage, page: str, state: str, every: str | None) -> None:
    stage.put_into(state)

    found = re.search(r"every (\d+s)", alices.get(page).content.decode())

    assert (found[1] if found else None) == every


def test_it_tells_what_is_switched_on_from_what_is_changed(stage: Stage) -> None:
    """In the audit log: switched on once, and from then on each agreement changes what is on. The same again is nothing."""
    other = a_card(stage.wallet, last_four="1881")
    for card in (stage.card, other, other):
        switch_on(stage.wallet, terms=TERMS, card=card, consent_text=f"Charge {card.label}.", consented_by=stage.owner)

    told = AuditEntry.objects.filter(action__startswith="automatic_payments.").order_by("pk")

    assert [entry.action.partition(".")[2] for entry in told] == ["switched_on", "changed"]


def test_it_shows_what_was_charged_of_the_cap(alices: Client, stage: Stage, wallet: Wallet, page: str) -> None:
    set_backup_card(a_card(wallet, brand="mastercard", last_four="4444"))
    stage.put_into("active")

    markup = card_of(alices.get(page))

    assert "$25.00 of $100.00" in markup
    assert re.search(r'<progress class="meter" max="100000000" value="25000000"', markup)
    assert "1 of 3 charges today" in markup
    assert "Backup: Mastercard •••• 4444" in markup
    assert re.search(r"Last: \$25\.00, .* — succeeded", words(markup))


def test_it_says_what_it_is_brought_back_to(alices: Client, stage: Stage, page: str) -> None:
    stage.put_into("active")
    stage.set(amount_micros=None, target_micros=50 * DOLLAR)

    assert "bring it back to $50.00 with Visa •••• 4242" in words(card_of(alices.get(page)))


def test_it_leads_to_the_page_where_the_payment_is_confirmed(alices: Client, stage: Stage, wallet: Wallet, page: str) -> None:
    stage.put_into("to confirm")
    link = wallet.payment_links.get()

    markup = card_of(alices.get(page))

    assert f'href="/pay/{payment_link_token(link)}"' in markup
    assert f'hx-get="{page}/links/{link.pk}"' in markup


def test_it_still_stands_when_the_key_of_the_link_is_gone(alices: Client, stage: Stage, wallet: Wallet, page: str) -> None:
    stage.put_into("to confirm")
    wallet.payment_links.update(token_sha256="0" * 64)

    markup = card_of(alices.get(page))

    assert "/pay/" not in markup
    assert "Your bank asks you to confirm" in markup


def test_it_offers_the_other_card_that_is_there(alices: Client, stage: Stage, wallet: Wallet, page: str) -> None:
    other = a_card(wallet, brand="mastercard", last_four="4444")
    stage.put_into("suspended")

    assert f'href="{page}/automatic-payments?card={other.pk}"' in card_of(alices.get(page))


def test_it_says_that_a_long_charge_need_not_be_paid(alices: Client, stage: Stage, wallet: Wallet, page: str) -> None:
    stage.put_into("charging")
    assert "No need to pay" not in card_of(alices.get(page))

    started = wallet.top_ups.get(status="sending")
    wallet.top_ups.filter(pk=started.pk).update(created_at=started.created_at.replace(year=started.created_at.year - 1))

    assert "It takes longer than usual. No need to pay" in card_of(alices.get(page))


def test_it_says_that_a_payment_under_way_is_still_added_once_they_are_off(alices: Client, stage: Stage, page: str) -> None:
    stage.put_into("off")
    stage.charge("sending")

    assert "is still added if your bank accepts it" in card_of(alices.get(page))


def test_it_connects_a_card_by_the_pill_where_there_is_none(alices: Client, wallet: Wallet, page: str) -> None:
    markup = card_of(alices.get(page))

    assert re.search(
        rf'<form method="post" action="{page}/connect-card" hx-post.*?<button class="pill off"[^>]*>Not Active</button>', markup
    )
    assert 'name="then" value="automatic-payments"' in markup


def test_it_is_described_pill_by_pill() -> None:
    page = (Path(__file__).resolve().parent.parent.parent / "docs" / "automatic-payments.md").read_text()
    described = re.findall(r"^\| ([A-Z][a-z ]+) \|", page.split("| Pill |")[1].split("\n\n")[0], flags=re.MULTILINE | re.IGNORECASE)

    assert set(described) == {label for label, _ in PILLS.values()}


def test_it_marks_cards_that_cannot_be_charged(alices: Client, wallet: Wallet, stage: Stage, page: str, settings: Any) -> None:
    stage.put_into("suspended")

    body = alices.get(page).content.decode()

    assert "Declined — not charged automatically" in body
    assert f'action="{page}/cards/{stage.card.pk}/default"' in body
    Card.objects.update(refused_at=None)
    assert "Declined — not charged automatically" not in alices.get(page).content.decode()
