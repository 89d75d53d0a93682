"""Saved cards: which is charged first, what replaces what, and what Stripe is told to forget."""

import pytest

from stripe_sandbox.testing import RunningSandbox
from tests.payments import MoneyIn, make_wallet
from wallet import stripe_gateway
from wallet.errors import CardInUse, CardUnusable
from wallet.models import Card, Wallet
from wallet.services.cards import detach_removed_card, refresh_card, remove_card, save_card, set_backup_card, set_default_card
from wallet.services.checkout import open_checkout
from wallet.stripe_objects import CardDetails


@pytest.fixture
def wallet(db: None) -> Wallet:
    wallet, _ = make_wallet(name="Acme Calls", owner="alice@example.com")
    return wallet


def details(number: int, *, fingerprint: str = "") -> CardDetails:
    name = fingerprint or f"fingerprint-{number}"
    return CardDetails(f"pm_{number}", "visa", f"{number:04d}", 1, 2040, name, "cus_1", reusable=True)


def save(wallet: Wallet, number: int, *, fingerprint: str = "") -> Card:
    return save_card(wallet.pk, details(number, fingerprint=fingerprint), connected_by=None)


def roles(wallet: Wallet) -> dict[str, str]:
    """Last four digits of every kept card, and what it is for."""
    kept = Card.objects.filter(wallet=wallet, removed_at=None)
    return {card.last_four: "default" if card.is_default else "backup" if card.is_backup else "" for card in kept}


def test_it_charges_the_first_card_first(wallet: Wallet) -> None:
    for number in (1, 2, 3):
        save(wallet, number)

    assert roles(wallet) == {"0001": "default", "0002": "", "0003": ""}


def test_it_saves_a_card_once(wallet: Wallet) -> None:
    assert save(wallet, 1) == save(wallet, 1)
    assert Card.objects.count() == 1


def test_it_lets_the_same_card_take_its_own_place(wallet: Wallet) -> None:
    first = save(wallet, 1, fingerprint="same")
    save(wallet, 2)
    set_default_card(save(wallet, 2))
    assert roles(wallet) == {"0001": "backup", "0002": "default"}

    save(wallet, 3, fingerprint="same")

    first.refresh_from_db()
    assert roles(wallet) == {"0002": "default", "0003": "backup"}
    assert first.removed_at


def test_it_takes_no_fingerprint_for_no_likeness(wallet: Wallet) -> None:
    for number in (1, 2):
        save_card(wallet.pk, CardDetails(f"pm_{number}", "visa", f"{number:04d}", 1, 2040, "", "cus_1", reusable=True), connected_by=None)

    assert len(roles(wallet)) == 2


def test_it_makes_the_former_default_the_backup(wallet: Wallet) -> None:
    save(wallet, 1)
    second, third = save(wallet, 2), save(wallet, 3)

    set_default_card(second)
    assert roles(wallet) == {"0001": "backup", "0002": "default", "0003": ""}
    set_default_card(third)
    assert roles(wallet) == {"0001": "backup", "0002": "", "0003": "default"}
    set_default_card(third)
    assert roles(wallet) == {"0001": "backup", "0002": "", "0003": "default"}
    set_backup_card(second)
    assert roles(wallet) == {"0001": "", "0002": "backup", "0003": "default"}


def test_it_refuses_a_default_card_as_its_own_backup(wallet: Wallet) -> None:
    with pytest.raises(CardUnusable):
        set_backup_card(save(wallet, 1))


@pytest.mark.parametrize("act", [set_default_card, set_backup_card, remove_card])
def test_it_does_nothing_with_a_removed_card(wallet: Wallet, act: object) -> None:
    card = save(wallet, 1)
    remove_card(card)

    assert callable(act)
    with pytest.raises(CardUnusable):
        act(card)


def test_it_promotes_the_backup_when_the_default_is_removed(wallet: Wallet) -> None:
    first, _, third = save(wallet, 1), save(wallet, 2), save(wallet, 3)
    set_backup_card(third)

    remove_card(first)

    assert roles(wallet) == {"0002": "", "0003": "default"}


def test_it_keeps_a_card_that_a_payment_needs(money_in: MoneyIn) -> None:
    card = money_in.connect_card()
    money_in.ask_for_top_up(card)

    with pytest.raises(CardInUse):
        remove_card(card)


def test_it_makes_stripe_forget_a_removed_card(money_in: MoneyIn) -> None:
    card = money_in.connect_card()
    remove_card(card)
    money_in.work()

    card.refresh_from_db()
    at_stripe = stripe_gateway.retrieve_card(card.payment_method_id)
    assert card.detached_at
    assert at_stripe is not None
    assert at_stripe.customer_id == ""


def test_it_makes_stripe_forget_it_later_where_it_was_away(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    card = money_in.connect_card()
    sandbox.fault("drop_before", match="payment_methods.detach")
    remove_card(card)
    money_in.work()
    card.refresh_from_db()
    assert card.detached_at is None

    money_in.sweep()

    card.refresh_from_db()
    assert card.detached_at


def test_it_forgets_no_card_that_is_kept(money_in: MoneyIn) -> None:
    card = money_in.connect_card()

    detach_removed_card(card.pk)

    assert money_in.requests("payment_methods.detach") == []


def test_it_follows_a_card_that_the_network_replaces(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """The bank sends a new card; its holder need not come by."""
    card = money_in.connect_card()
    sandbox.replace_card(card.payment_method_id, last4="1881", exp_month=7, exp_year=2041)
    money_in.deliver()

    card.refresh_from_db()
    assert (card.last_four, card.expiry) == ("1881", "07/41")


def test_it_takes_no_card_of_others_for_its_own(wallet: Wallet) -> None:
    refresh_card(details(9))

    assert not Card.objects.exists()


def test_it_saves_no_card_whose_holder_did_not_agree(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link()))
    money_in.deliver()

    assert not Card.objects.exists()


def test_it_keeps_no_datum_of_a_card_but_what_it_shows(wallet: Wallet) -> None:
    """S17, PCI: brand, last four, expiry; and Stripe's ids, which open nothing without our key."""
    assert {field.name for field in Card._meta.get_fields() if not field.auto_created and not field.is_relation} == {
        "payment_method_id",
        "brand",
        "last_four",
        "expiry_month",
        "expiry_year",
        "fingerprint",
        "is_default",
        "is_backup",
        "refused_at",
        "connected_at",
        "removed_at",
        "detached_at",
    }
