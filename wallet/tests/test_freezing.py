"""Freezing: nothing new starts, what runs may finish, and an old form freezes nothing anew."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from wallet.errors import ActRefused, WalletClosed, WalletFrozen
from wallet.models import AutomaticPayments, Wallet, WalletFreeze
from wallet.services.cards import save_card
from wallet.services.freezing import freeze_wallet, open_freeze, unfreeze_wallet
from wallet.services.holds import place_hold, release_hold
from wallet.services.top_ups import request_top_up
from wallet.services.wallets import close_wallet
from wallet.tests.builders import DOLLAR, automatic_payments_of, card_details, make_wallet, paid_top_up
from wallet.tests.staff import new_form, staff, staff_acts
from workspaces.models import User
from workspaces.tests.threads import at_once, errors


@pytest.fixture
def wallet(db: None) -> Wallet:
    wallet = make_wallet()
    paid_top_up(wallet, 20 * DOLLAR)
    return wallet


@pytest.fixture
def frances(db: None) -> User:
    return staff("frances")


def freeze(wallet: Wallet, by: User, **more: Any) -> WalletFreeze:
    return freeze_wallet(wallet, by=by, **{"reason": "Looks like fraud", "request_id": new_form()} | more)


def hold(wallet: Wallet) -> Any:
    return place_hold(wallet.pk, amount_micros=DOLLAR, reference="call", idempotency_key=new_form(), lifetime=timedelta(hours=1))


def test_it_stops_what_is_new_and_lets_finish_what_runs(wallet: Wallet, frances: User) -> None:
    running = hold(wallet)
    freeze(wallet, frances)

    with pytest.raises(WalletFrozen):
        hold(wallet)
    release_hold(running)


def test_it_charges_no_card_that_its_holder_asks_to_be_charged(wallet: Wallet, frances: User) -> None:
    card = save_card(wallet.pk, card_details(), connected_by=None)
    before = request_top_up(wallet, amount_micros=20 * DOLLAR, card=card, request_id="before", requested_by=None)
    freeze(wallet, frances)

    with pytest.raises(WalletFrozen):
        request_top_up(wallet, amount_micros=20 * DOLLAR, card=card, request_id="after", requested_by=None)
    # The same form again is answered by what came of it.
    assert request_top_up(wallet, amount_micros=20 * DOLLAR, card=card, request_id="before", requested_by=None) == before


def test_it_is_opened_again(wallet: Wallet, frances: User) -> None:
    frozen = freeze(wallet, frances)

    for _ in range(2):
        ended = unfreeze_wallet(frozen.pk, reason="It was their own call centre", by=frances)

    hold(wallet)
    assert (ended.ended_by, ended.end_reason, open_freeze(wallet)) == (frances, "It was their own call centre", None)
    entries = staff_acts().order_by("pk")
    assert [(entry.action, entry.before, entry.after, entry.reason) for entry in entries] == [
        ("wallet.frozen", {"is_frozen": False}, {"is_frozen": True}, "Looks like fraud"),
        ("wallet.unfrozen", {"is_frozen": True}, {"is_frozen": False}, "It was their own call centre"),
    ]


def test_it_freezes_nothing_by_an_old_form(wallet: Wallet, frances: User) -> None:
    frozen = freeze(wallet, frances, request_id="form")
    unfreeze_wallet(frozen.pk, reason="Mistaken", by=frances)

    freeze(wallet, frances, request_id="form")

    assert (Wallet.objects.get(pk=wallet.pk).frozen_at, staff_acts().count()) == (None, 2)


def test_it_is_frozen_once(wallet: Wallet, frances: User) -> None:
    freeze(wallet, frances)

    with pytest.raises(ActRefused):
        freeze(wallet, frances)
    with pytest.raises(IntegrityError), transaction.atomic():
        WalletFreeze.objects.create(wallet=wallet, request_id="other", reason="r", frozen_by=frances)


def test_it_does_not_freeze_what_is_closed(wallet: Wallet, frances: User) -> None:
    close_wallet(wallet)

    with pytest.raises(WalletClosed):
        freeze(wallet, frances)


def test_it_takes_over_what_other_hands_have_frozen(wallet: Wallet, frances: User) -> None:
    since = timezone.now() - timedelta(days=3)
    Wallet.objects.update(frozen_at=since)

    taken_over = freeze(wallet, frances)
    assert Wallet.objects.get().frozen_at == since
    unfreeze_wallet(taken_over.pk, reason="Over", by=frances)

    assert Wallet.objects.get().frozen_at is None


@pytest.mark.parametrize("rests", [False, True])
def test_it_has_automatic_payments_decided_anew_unless_they_rest(wallet: Wallet, frances: User, rests: bool) -> None:
    until = timezone.now() + timedelta(days=9) if rests else None
    automatic_payments_of(wallet, next_try_at=until)

    unfreeze_wallet(freeze(wallet, frances).pk, reason="Over", by=frances)

    next_try_at = AutomaticPayments.objects.get().next_try_at
    assert next_try_at == until if rests else next_try_at is not None


@pytest.mark.django_db(transaction=True)
def test_it_is_frozen_once_however_many_freeze_at_once(wallet: Wallet, frances: User) -> None:
    outcomes = at_once([lambda: freeze(wallet, frances)] * 6)

    assert [type(error) for error in errors(outcomes)] == [ActRefused] * 5
    assert (WalletFreeze.objects.count(), staff_acts().count()) == (1, 1)
