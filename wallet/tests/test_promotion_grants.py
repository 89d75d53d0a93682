"""Credit that the operator's people give: granted once, above the limit by two people."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from wallet.errors import ActRefused, AlreadyResolved, IdempotencyConflict, SecondPersonNeeded, WalletClosed
from wallet.models import Promotion, PromotionGrant, Transfer, Wallet
from wallet.services.adjustments import request_adjustment
from wallet.services.promotion_grants import approve_promotion, request_promotion
from wallet.services.second_person import reject
from wallet.services.wallets import close_wallet
from wallet.tests.books import assert_books_balance
from wallet.tests.builders import DOLLAR, balance_of
from wallet.tests.staff import new_form, staff, staff_acts
from workspaces.models import User
from workspaces.tests.threads import at_once, errors

Status = PromotionGrant.Status


@pytest.fixture
def frances(db: None) -> User:
    return staff("frances")


@pytest.fixture
def felix(db: None) -> User:
    return staff("felix")


def ask(wallet: Wallet, by: User, *, dollars: int = 20, **more: Any) -> PromotionGrant:
    given: dict[str, Any] = {"reason": "Goodwill", "words": "Welcome credit", "expires_at": None, "request_id": new_form()}
    return request_promotion(wallet, amount_micros=dollars * DOLLAR, by=by, **given | more)


def test_it_grants_a_small_one_at_once(wallet: Wallet, frances: User) -> None:
    expires_at = timezone.now() + timedelta(days=30)

    grant = ask(wallet, frances, expires_at=expires_at)

    promotion = Promotion.objects.get()
    assert (grant.status, grant.promotion) == (Status.DONE, promotion)
    assert (promotion.reason, promotion.expires_at, promotion.remaining_micros) == ("Welcome credit", expires_at, 20 * DOLLAR)
    assert balance_of(wallet) == 20 * DOLLAR
    entry = staff_acts().get()
    assert (entry.action, entry.before["promotion_micros"], entry.after["promotion_micros"]) == ("promotion.granted", 0, 20 * DOLLAR)
    assert_books_balance()


def test_it_grants_one_form_once(wallet: Wallet, frances: User) -> None:
    assert ask(wallet, frances, request_id="form") == ask(wallet, frances, request_id="form")

    assert (Promotion.objects.count(), staff_acts().count()) == (1, 1)
    with pytest.raises(IdempotencyConflict):
        ask(wallet, frances, request_id="form", dollars=21)


def test_it_waits_for_a_second_person_above_the_limit(wallet: Wallet, frances: User, felix: User) -> None:
    grant = ask(wallet, frances, dollars=101)
    assert (grant.status, Promotion.objects.count()) == (Status.WAITING, 0)
    with pytest.raises(SecondPersonNeeded):
        approve_promotion(grant.pk, by=frances)

    for _ in range(2):
        grant = approve_promotion(grant.pk, by=felix)

    assert (grant.status, grant.decided_by, balance_of(wallet)) == (Status.DONE, felix, 101 * DOLLAR)
    assert list(staff_acts().order_by("pk").values_list("action", flat=True)) == ["promotion.requested", "promotion.approved"]


def test_it_counts_with_the_same_persons_adjustments(wallet: Wallet, frances: User) -> None:
    request_adjustment(wallet, amount_micros=60 * DOLLAR, reason="r", words="w", may_go_below_zero=False, request_id=new_form(), by=frances)

    assert ask(wallet, frances, dollars=60).status == Status.WAITING


def test_it_grants_nothing_once_rejected(wallet: Wallet, frances: User, felix: User) -> None:
    grant = ask(wallet, frances, dollars=200)
    reject(PromotionGrant, grant.pk, by=felix, reason="Too much")

    with pytest.raises(AlreadyResolved):
        approve_promotion(grant.pk, by=felix)
    assert Promotion.objects.count() == 0


def test_it_grants_nothing_that_would_lapse_at_once(wallet: Wallet, frances: User, felix: User) -> None:
    with pytest.raises(ActRefused):
        ask(wallet, frances, expires_at=timezone.now())
    waiting = ask(wallet, frances, dollars=200, expires_at=timezone.now() + timedelta(days=1))
    PromotionGrant.objects.update(expires_at=timezone.now())

    with pytest.raises(ActRefused):
        approve_promotion(waiting.pk, by=felix)
    assert (Transfer.objects.count(), PromotionGrant.objects.get().status) == (0, Status.WAITING)


def test_it_gives_a_closed_wallet_nothing(wallet: Wallet, frances: User) -> None:
    close_wallet(wallet)

    with pytest.raises(WalletClosed):
        ask(wallet, frances)


def test_it_is_held_to_its_promotion_by_the_database(wallet: Wallet, frances: User, felix: User) -> None:
    ask(wallet, frances, dollars=200)

    with pytest.raises(IntegrityError), transaction.atomic():
        PromotionGrant.objects.update(status="done", decided_by=felix, decided_at=timezone.now())


@pytest.mark.django_db(transaction=True)
def test_it_grants_once_however_many_approve_at_once(wallet: Wallet, frances: User) -> None:
    grant = ask(wallet, frances, dollars=200)
    others = [staff(f"finance{number}") for number in range(6)]

    outcomes = at_once([partial(approve_promotion, grant.pk, by=person) for person in others])

    assert (len(errors(outcomes)), Promotion.objects.count(), balance_of(wallet)) == (5, 1, 200 * DOLLAR)
    assert_books_balance()
