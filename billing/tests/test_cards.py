"""Saved cards: default, backup and taking one away."""

from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from billing.tests.conftest import SignedIn, a_card
from wallet.models import Card, Origin, TopUp, Wallet
from wallet.tests.builders import DOLLAR
from workspaces.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def first(wallet: Wallet) -> Card:
    return a_card(wallet)


@pytest.fixture
def second(wallet: Wallet, first: Card) -> Card:
    return a_card(wallet, brand="mastercard", last_four="4444")


def roles(*cards: Card) -> list[str]:
    for card in cards:
        card.refresh_from_db()
    return ["default" if card.is_default else "backup" if card.is_backup else "removed" if card.removed_at else "" for card in cards]


def test_it_makes_a_card_the_default(alices: Client, first: Card, second: Card, page: str) -> None:
    body = alices.post(f"{page}/cards/{second.pk}/default", follow=True).content.decode()

    assert roles(first, second) == ["backup", "default"]
    assert "Mastercard •••• 4444 is charged first from now on." in body


def test_it_makes_a_card_the_backup(alices: Client, first: Card, second: Card, page: str) -> None:
    alices.post(f"{page}/cards/{second.pk}/backup")

    assert roles(first, second) == ["default", "backup"]


def test_it_says_that_the_default_cannot_stand_in_for_itself(alices: Client, first: Card, page: str) -> None:
    body = alices.post(f"{page}/cards/{first.pk}/backup", follow=True).content.decode()

    assert roles(first) == ["default"]
    assert "cannot be its own backup" in body


def test_it_asks_before_it_removes(alices: Client, first: Card, second: Card, page: str) -> None:
    asked = alices.get(f"{page}/cards/{first.pk}/remove").content.decode()
    assert "Remove Visa •••• 4242?" in asked
    assert roles(first, second) == ["default", ""]

    body = alices.post(f"{page}/cards/{first.pk}/remove", follow=True).content.decode()
    assert roles(first, second) == ["removed", "default"]
    assert "Visa •••• 4242 was removed." in body


def test_it_leaves_the_dialog_after_removing(alices: Client, first: Card, page: str) -> None:
    response = alices.post(f"{page}/cards/{first.pk}/remove", headers={"HX-Request": "true"})

    assert response["HX-Redirect"] == page


def test_it_keeps_a_card_that_a_payment_needs(alices: Client, wallet: Wallet, first: Card, page: str) -> None:
    TopUp.objects.create(wallet=wallet, origin=Origin.MANUAL, amount_micros=DOLLAR, card=first, request_id=uuid4().hex, status="sending")

    body = alices.post(f"{page}/cards/{first.pk}/remove", follow=True).content.decode()

    assert roles(first) == ["default"]
    assert "still under way" in body


def test_it_knows_no_card_that_was_removed(alices: Client, first: Card, page: str) -> None:
    alices.post(f"{page}/cards/{first.pk}/remove")

    for act in ("default", "backup", "remove"):
        assert alices.post(f"{page}/cards/{first.pk}/{act}").status_code == 404


@pytest.mark.parametrize("act", ["default", "backup", "remove"])
def test_it_is_alices_alone(
    bob: User, charlie: User, signed_in: SignedIn, elsewhere: Wallet, first: Card, second: Card, page: str, act: str
) -> None:
    foreign = page.replace(first.wallet.workspace.public_id, elsewhere.workspace.public_id)

    for user, start, status in ((bob, page, 403), (charlie, page, 404), (charlie, foreign, 404)):
        assert signed_in(user).post(f"{start}/cards/{second.pk}/{act}").status_code == status
    assert roles(first, second) == ["default", ""]


@pytest.mark.parametrize("act", ["default", "backup"])
def test_it_changes_nothing_by_being_looked_at(alices: Client, first: Card, second: Card, page: str, act: str) -> None:
    assert alices.get(f"{page}/cards/{second.pk}/{act}").status_code == 405


@pytest.mark.parametrize(
    ("months", "said"),
    [(-1, "Expired"), (0, ", soon"), (1, ", soon"), (2, "Expires")],
)
def test_it_says_which_cards_expire_soon(alices: Client, wallet: Wallet, page: str, months: int, said: str) -> None:
    today = timezone.localdate()
    month = today.month - 1 + months
    a_card(wallet, expiry_month=month % 12 + 1, expiry_year=today.year + month // 12)

    body = alices.get(page).content.decode()

    assert said in body
    assert (", soon" in body) is (said == ", soon")
