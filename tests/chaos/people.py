"""Owners and payers: cards change their minds, owners press every button there is, and now and then somebody pays by hand or by link."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import requests
from django.db import InterfaceError, OperationalError, connections
from stripe import StripeError

from stripe_sandbox.testing import ControlRefused
from tests.chaos.cast import CONSENT, DOLLAR, Cast, Customer, connect_card
from tests.chaos.reporter import new_address
from tests.chaos.world import World
from wallet.errors import GatewayError, WalletRefusal
from wallet.models import AutomaticPayments, Card, PaymentLink
from wallet.services.automatic_payments import switch_off, switch_on, try_again
from wallet.services.checkout import open_checkout
from wallet.services.payment_links import payment_link_url

PAUSE_SECONDS = 0.15
CARDS_MAX = 6
GOOD, BAD = (
    "succeeds",
    ("insufficient_funds", "generic_decline", "processing_error", "needs_authentication", "lost_card", "expired_card", "do_not_honor"),
)
HITCHES = (OperationalError, InterfaceError, GatewayError, WalletRefusal, StripeError, requests.RequestException, ControlRefused, OSError)
"""What may go wrong for a person while the world falls apart; they try something else. Anything else is a fault."""


@dataclass(eq=False)
class People(threading.Thread):
    """All of them, one act after the other."""

    world: World
    cast: Cast

    def __post_init__(self) -> None:
        self.ended_well = False
        super().__init__(daemon=True, name="people")
        self.dice = self.cast.dice("people")

    def run(self) -> None:
        """Until it is told to stop."""
        acts: list[tuple[Callable[[Customer], None], int]] = [
            (self.change_the_card_s_mind, 10),
            (self.mend, 8),
            (self.confirm, 4),
            (self.switch_off_and_on, 2),
            (self.connect_another_card, 1),
            (self.top_up_by_hand, 3),
            (self.pay_by_link, 4),
        ]
        chosen, weights = zip(*acts, strict=True)
        while not self.cast.stop.wait(PAUSE_SECONDS):
            (act,) = self.dice.choices(chosen, weights)
            self.attempt(act, self.dice.choice(self.cast.customers))
        self.ended_well = True

    def attempt(self, act: Callable[[Customer], None], customer: Customer) -> None:
        """One act; what hinders it is counted, what must not happen is told."""
        try:
            act(customer)
        except HITCHES:
            self.cast.tally.add("people hindered")
        except Exception as error:  # noqa: BLE001 -- whatever it is, the run ends with it in its list
            self.cast.tally.fault(f"{act.__name__}: {error!r}")
        finally:
            connections.close_all()

    # ---------------------------------------------------------------- cards and their owners
    def change_the_card_s_mind(self, customer: Customer) -> None:
        """Three in four times the card is good."""
        for card in Card.objects.filter(wallet=customer.wallet, removed_at=None):
            behaviour = GOOD if self.dice.random() < 0.75 else self.dice.choice(BAD)
            self.world.sandbox.set_card_behaviour(card.payment_method_id, behaviour)

    def mend(self, customer: Customer) -> None:
        """The owner sees that automatic payments have stopped, sees to the card, and presses Try again, twice."""
        rule = AutomaticPayments.objects.get(wallet=customer.wallet)
        if rule.suspended_at is None and not rule.failures:
            return
        self.make_good(customer)
        for _ in range(2):
            try_again(customer.wallet)
        self.cast.tally.add("try again pressed", 2)

    def make_good(self, customer: Customer) -> None:
        """Every card of theirs pays."""
        for card in Card.objects.filter(wallet=customer.wallet, removed_at=None):
            self.world.sandbox.set_card_behaviour(card.payment_method_id, GOOD)

    def confirm(self, customer: Customer) -> None:
        """The bank wanted the owner, who has a link."""
        rule = AutomaticPayments.objects.select_related("confirmation_link__wallet__workspace").get(wallet=customer.wallet)
        if rule.confirmation_link is not None:
            self.pay_in_checkout(open_checkout(rule.confirmation_link))

    def switch_off_and_on(self, customer: Customer) -> None:
        """Off, and on again on the same terms."""
        switch_off(customer.wallet)
        self.switch_on(customer)
        self.cast.tally.add("switched off and on")

    def switch_on(self, customer: Customer) -> None:
        """On the terms that they have always had."""
        card = Card.objects.filter(wallet=customer.wallet, removed_at=None).order_by("-is_default", "pk")[0]
        switch_on(customer.wallet, terms=customer.terms, card=card, consent_text=CONSENT, consented_by=customer.owner)

    def connect_another_card(self, customer: Customer) -> None:
        """It becomes the default, and lifts a suspension."""
        if Card.objects.filter(wallet=customer.wallet, removed_at=None).count() < CARDS_MAX:
            connect_card(customer.wallet, customer.owner, name=self.dice.choice(["pm_card_visa", "pm_card_mastercard", "pm_card_amex"]))
            self.cast.tally.add("cards connected")

    # ---------------------------------------------------------------- money by hand
    def top_up_by_hand(self, customer: Customer) -> None:
        """Add Balance on the Billing page, with the saved card; the button is pressed twice."""
        browser = requests.Session()
        browser.cookies.set("session", customer.cookie)
        address = f"{self.world.site_url}/w/{customer.subject}/settings/billing/add-balance"
        form_id = uuid4().hex
        page = browser.get(address, params={"form": form_id}, timeout=8)
        card = Card.objects.filter(wallet=customer.wallet, removed_at=None).order_by("-is_default").first()
        if page.status_code != 200 or card is None:
            return
        form = {"request_id": form_id, "amount": str(self.dice.choice([5, 10, 20])), "pay_with": str(card.pk)}
        headers = {"X-CSRFToken": browser.cookies.get("csrf") or "", "Origin": self.world.site_url}
        for _ in range(2):
            browser.post(address, data=form, headers=headers, timeout=8, allow_redirects=False)
        self.cast.tally.add("top-ups by hand asked for")

    def pay_by_link(self, customer: Customer) -> None:
        """The platform asks for a link, and somebody pays it: opens the page, presses the button, and fills in the hosted form."""
        answer = requests.post(
            f"{self.world.site_url}/api/v1/wallets/{customer.subject}/payment-links",
            json={"purpose": "pay", "amount_micros": self.dice.choice([10, 20, 40]) * DOLLAR},
            headers={"Authorization": f"Bearer {self.cast.secret}", "Idempotency-Key": uuid4().hex},
            timeout=8,
        )
        if answer.status_code != 201 or not answer.json()["url"]:
            return
        self.pay_link(PaymentLink.objects.get(pk=answer.json()["id"]))

    def pay_link(self, link: PaymentLink) -> None:
        """As a browser does it."""
        browser = requests.Session()
        browser.headers["X-Forwarded-For"] = new_address(self.dice)
        address = payment_link_url(link)
        page = browser.get(address, timeout=8)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        if token is None:
            return
        answer = browser.post(address, data={"csrfmiddlewaretoken": token[1]}, timeout=15, allow_redirects=False)
        location = answer.headers.get("Location", "")
        if location.startswith(self.world.sandbox.checkout_url):
            self.pay_in_checkout(location)
            if self.dice.random() < 0.5:
                browser.get(f"{address}/return", timeout=15)

    def pay_in_checkout(self, location: str) -> None:
        """The hosted page; one in six cards is declined there."""
        card = "4000000000000002" if self.dice.random() < 1 / 6 else "4242424242424242"
        self.world.sandbox.pay_checkout(location, card=card)
        self.cast.tally.add("hosted pages paid or tried")
