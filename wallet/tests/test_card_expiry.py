"""Cards whose last month ends: told 30 days before and once it is over, once each, of the cards that are charged."""

from datetime import UTC, datetime
from typing import Any

import pytest

from wallet.models import Card, Notice, Wallet
from wallet.services.card_expiry import tell_of_expiring_cards
from wallet.services.cards import remove_card, save_card, set_backup_card
from wallet.tasks import tell_of_expiring_cards as task
from wallet.tests.builders import card_details, make_wallet
from workspaces.models import Membership, Role, User
from workspaces.tests.threads import at_once, errors

pytestmark = pytest.mark.django_db


@pytest.fixture
def wallet(db: None) -> Wallet:
    made = make_wallet()
    alice = User.objects.create_user("alice@example.com", "correct horse battery")
    Membership.objects.create(workspace=made.workspace, user=alice, role=Role.OWNER)
    return made


def save(wallet: Wallet, number: str = "1", **changes: Any) -> Card:
    """A card that is good to the end of August 2026."""
    return save_card(wallet.pk, card_details(number, **{"expiry_month": 8, "expiry_year": 2026, **changes}), connected_by=None)


def told() -> list[str]:
    return list(Notice.objects.order_by("pk").values_list("kind", flat=True))


def look(year: int, month: int, day: int, hour: int = 0) -> None:
    tell_of_expiring_cards(now=datetime(year, month, day, hour, tzinfo=UTC))


@pytest.mark.parametrize(
    ("day", "kinds"),
    [
        ((2026, 7, 31), []),
        ((2026, 8, 1), ["card_expiring"]),
        ((2026, 8, 31, 23), ["card_expiring"]),
        ((2026, 9, 1), ["card_expired"]),
        ((2026, 10, 30), ["card_expired"]),
        ((2026, 10, 31), []),
    ],
)
def test_it_tells_thirty_days_before_the_end_and_after_it(wallet: Wallet, day: tuple[int, ...], kinds: list[str]) -> None:
    save(wallet)

    look(*day)

    assert told() == kinds


def test_it_knows_when_a_year_and_a_short_month_end(wallet: Wallet) -> None:
    card = save(wallet, expiry_month=12, expiry_year=2026)
    look(2027, 1, 1)
    Card.objects.filter(pk=card.pk).update(expiry_month=2, expiry_year=2028)
    look(2028, 1, 29)
    look(2028, 1, 30)

    assert told() == ["card_expired", "card_expiring"]
    assert list(Notice.objects.order_by("pk").values_list("reference", flat=True)) == [f"{card.pk}:2026-12", f"{card.pk}:2028-02"]


def test_it_counts_days_in_the_workspaces_zone(wallet: Wallet) -> None:
    wallet.workspace.time_zone = "Pacific/Kiritimati"
    wallet.workspace.save(update_fields=["time_zone"])
    save(wallet)

    look(2026, 8, 31, 9)
    look(2026, 8, 31, 11)

    assert told() == ["card_expiring", "card_expired"], "there September has begun"


def test_it_tells_once_for_each_end(wallet: Wallet) -> None:
    card = save(wallet)
    for day in (1, 2, 3):
        look(2026, 8, day)
        look(2026, 9, day)
    Card.objects.filter(pk=card.pk).update(expiry_year=2028)
    look(2028, 8, 5)

    assert told() == ["card_expiring", "card_expired", "card_expiring"]


def test_it_tells_of_cards_that_are_charged_alone(wallet: Wallet) -> None:
    default, backup, spare = save(wallet, "1"), save(wallet, "2"), save(wallet, "3")
    set_backup_card(backup)
    remove_card(default)
    closed = make_wallet(name="Closed")
    save(closed, "4")
    Wallet.objects.filter(pk=closed.pk).update(closed_at=datetime(2026, 1, 1, tzinfo=UTC))

    look(2026, 8, 5)

    assert list(Notice.objects.values_list("reference", flat=True)) == [f"{backup.pk}:2026-08"]
    assert spare.pk


def test_it_has_a_task(wallet: Wallet) -> None:
    save(wallet, expiry_year=2000)

    task()

    assert told() == []


@pytest.mark.django_db(transaction=True)
def test_it_tells_once_when_two_beats_look(wallet: Wallet) -> None:
    save(wallet)

    outcomes = at_once([lambda: look(2026, 8, 5)] * 6)

    assert (errors(outcomes), told()) == ([], ["card_expiring"])
