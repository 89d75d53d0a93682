"""The list of wallets says of automatic payments what their owners read, and finds wallets by it, whatever their number."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from billing.automatic_mode import FILTERS, PILLS, Mode, in_mode, short_words_of
from billing.automatic_state import automatic_of
from billing.tests.automatic_states import STATES, Stage
from wallet.models import Wallet
from wallet.queries import kept_cards
from wallet.services.cards import save_card
from wallet.tests.builders import card_details, make_wallet
from workspaces.models import User

pytestmark = pytest.mark.django_db

LIST = "admin:wallet_wallet_changelist"
WHY = {
    "capped": "Paused · The monthly cap is reached",
    "capped today": "Paused · No more charges today",
    "suspended": "Suspended · The card was declined",
    "not confirmed": "Suspended · The payment was not confirmed in time",
    "to confirm": "Waiting for you · Your bank asks you to confirm $25.00",
    "on hold": "On hold · Automatic payments are on hold",
    "disputed": "On hold · A payment is disputed",
}


def staged(wallet: Wallet, number: int = 1) -> Stage:
    alice = User.objects.get(email="alice@bakery.example")
    return Stage(wallet, alice, save_card(wallet.pk, card_details(str(number)), connected_by=alice))


@pytest.mark.parametrize("state", STATES)
def test_it_says_and_finds_what_the_owner_reads(wallet: Wallet, sam: Client, state: str) -> None:
    staged(wallet).put_into(state)
    make_wallet(name="Charlie's Garage")
    mode = automatic_of(wallet, cards=list(kept_cards(wallet))).mode

    (words,) = short_words_of([wallet], now=timezone.now()).values()
    filters = [found for found in FILTERS if in_mode(Wallet.objects.all(), found).filter(pk=wallet.pk).exists()]

    assert words == WHY.get(state, words)
    assert words.partition(" · ")[0] == PILLS[mode][0]
    assert [FILTERS[found] for found in filters] == [next(label for label in FILTERS.values() if PILLS[mode][0] in label.split(" or "))]
    page = sam.get(reverse(LIST), {"automatic": filters[0].value}).content.decode()
    assert words in page
    assert ("Charlie" in page) == (mode is Mode.OFF)


def test_it_finds_each_wallet_by_one_filter_alone(wallet: Wallet) -> None:
    """What is under way comes first, and a charge that an obstacle keeps back does not count."""
    stage = staged(wallet)
    stage.put_into("suspended")
    stage.charge("created")
    assert list(in_mode(Wallet.objects.all(), Mode.ACTIVE)) == [wallet]

    Wallet.objects.filter(pk=wallet.pk).update(frozen_at=timezone.now())

    wallet.refresh_from_db()
    assert list(in_mode(Wallet.objects.all(), Mode.SUSPENDED)) == [wallet]
    assert not in_mode(Wallet.objects.all(), Mode.ON_HOLD)
    assert short_words_of([wallet], now=timezone.now())[wallet.pk].startswith("Suspended")


def test_it_asks_as_often_for_ten_as_for_one(wallet: Wallet, sam: Client) -> None:
    staged(wallet).put_into("capped today")
    asked = []
    for number in range(2):
        with CaptureQueriesContext(connection) as captured:
            page = sam.get(reverse(LIST)).content.decode()
        asked.append(len(captured))
        assert page.count("Paused · No more charges today") == (10 if number else 1)
        for other in range(2, 11):
            if not number:
                more = make_wallet(name=f"Customer {other}")
                more.workspace.time_zone = ("Europe/Berlin", "America/New_York", "UTC")[other % 3]
                more.workspace.save(update_fields=["time_zone"])
                staged(more, other).put_into("capped today")

    assert asked[0] == asked[1]
