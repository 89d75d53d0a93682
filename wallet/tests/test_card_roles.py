"""The roles of cards: handed on, swapped, one of each however many are chosen at once. Saving and forgetting: test_cards.py."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from wallet.errors import CardInUse
from wallet.models import Card, TopUp, Wallet
from wallet.services import cards
from wallet.services.cards import remove_card, save_card, set_backup_card, set_default_card
from wallet.tests.builders import DOLLAR, card_details, make_wallet, open_top_up
from workspaces.tests.threads import at_once, errors

pytestmark = pytest.mark.django_db


def save(wallet: Wallet, number: str, **changes: Any) -> Card:
    return save_card(wallet.pk, card_details(number, **changes), connected_by=None)


def roles(*saved: Card) -> list[str]:
    """What each card is, as it stands in the database."""
    words = []
    for card in saved:
        card.refresh_from_db()
        named = {"default": card.is_default, "backup": card.is_backup, "removed": card.removed_at is not None}
        words.append(" ".join(name for name, holds in named.items() if holds) or "kept")
    return words


# ---------------------------------------------------------------- connecting


def test_it_gives_the_same_card_connected_again_the_place_it_had() -> None:
    wallet = make_wallet()
    old_default, old_backup = save(wallet, "1"), save(wallet, "2")
    set_backup_card(old_backup)

    new_default = save(wallet, "1b", fingerprint=old_default.fingerprint)
    new_backup = save(wallet, "2b", fingerprint=old_backup.fingerprint)

    assert roles(old_default, old_backup, new_default, new_backup) == ["removed", "removed", "default", "backup"]


def test_it_knows_the_same_card_in_another_wallet_as_another() -> None:
    alices = save(make_wallet(), "1", fingerprint="the family's card")
    charlies = save(make_wallet(), "2", fingerprint="the family's card")

    assert roles(alices, charlies) == ["default", "default"]


def test_it_makes_a_card_the_default_where_the_last_one_was_removed() -> None:
    wallet = make_wallet()
    remove_card(save(wallet, "1"))

    assert roles(save(wallet, "2")) == ["default"]


# ---------------------------------------------------------------- roles


def test_it_keeps_the_backup_that_there_is() -> None:
    wallet = make_wallet()
    first, second, third = save(wallet, "1"), save(wallet, "2"), save(wallet, "3")
    set_backup_card(second)

    set_default_card(third)

    assert roles(first, second, third) == ["kept", "backup", "default"]


def test_it_swaps_default_and_backup() -> None:
    wallet = make_wallet()
    first, second = save(wallet, "1"), save(wallet, "2")
    set_backup_card(second)

    set_default_card(second)

    assert roles(first, second) == ["backup", "default"]


@pytest.mark.parametrize("set_role", [set_default_card, set_backup_card])
def test_it_changes_nothing_the_second_time(set_role: Callable[[Card], Card]) -> None:
    wallet = make_wallet()
    first, second = save(wallet, "1"), save(wallet, "2")

    set_role(second)
    before = roles(first, second)
    set_role(second)

    assert roles(first, second) == before


def test_it_has_one_backup() -> None:
    wallet = make_wallet()
    first, second, third = save(wallet, "1"), save(wallet, "2"), save(wallet, "3")
    set_backup_card(second)

    set_backup_card(third)

    assert roles(first, second, third) == ["default", "kept", "backup"]


# ---------------------------------------------------------------- removing


def test_it_hands_the_default_on_to_the_backup() -> None:
    wallet = make_wallet()
    first, backup, newest = save(wallet, "1"), save(wallet, "2"), save(wallet, "3")
    set_backup_card(backup)

    remove_card(first)

    assert roles(first, backup, newest) == ["removed", "default", "kept"]


def test_it_hands_the_default_on_to_the_newest_where_there_is_no_backup() -> None:
    wallet = make_wallet()
    first, second, newest = save(wallet, "1"), save(wallet, "2"), save(wallet, "3")

    remove_card(first)

    assert roles(first, second, newest) == ["removed", "kept", "default"]


def test_it_leaves_the_default_alone_when_another_is_removed() -> None:
    wallet = make_wallet()
    first, second = save(wallet, "1"), save(wallet, "2")

    remove_card(second)

    assert roles(first, second) == ["default", "removed"]


@pytest.mark.parametrize("status", TopUp.Status.values)
def test_it_keeps_a_card_whose_payment_is_under_way(status: str) -> None:
    wallet = make_wallet()
    card = save(wallet, "1")
    top_up = open_top_up(wallet, 20 * DOLLAR)
    top_up.card, top_up.status = card, status
    if not top_up.is_open:
        top_up.resolved_at, top_up.receipt_number = timezone.now(), "W-1"
    top_up.save()

    if top_up.is_open:
        with pytest.raises(CardInUse, match="still under way"):
            remove_card(card)
        assert roles(card) == ["default"]
    else:
        remove_card(card)
        assert roles(card) == ["removed"]


# ---------------------------------------------------------------- races


def make_each_the_default(wallet: Wallet) -> list[object]:
    saved = [save(wallet, str(number)) for number in range(6)]
    return at_once([partial(set_default_card, card) for card in saved[1:]])


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("races")
def test_it_has_one_default_however_many_are_chosen_at_once() -> None:
    wallet = make_wallet()

    assert errors(make_each_the_default(wallet)) == []
    assert (wallet.cards.filter(is_default=True).count(), wallet.cards.filter(is_backup=True).count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("races")
def test_it_would_be_stopped_by_the_constraint_without_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    wallet = make_wallet()
    monkeypatch.setattr(cards, "lock_wallet", lambda wallet_id: Wallet.objects.get(pk=wallet_id))

    failed = errors(make_each_the_default(wallet))

    assert any(isinstance(error, IntegrityError) for error in failed), failed
