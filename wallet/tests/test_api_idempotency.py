"""One payment link for each Idempotency-Key, however often it is asked for; and every tenant has keys of its own."""

import pytest
from django.utils import timezone

from wallet.models import PaymentLink, Wallet
from wallet.services.payment_links import mark_withdrawn
from wallet.tests.api_bodies import PAY_20
from wallet.tests.builders import DOLLAR, make_wallet
from workspaces.models import IdempotentRequest, Scope
from workspaces.tests.api_caller import Caller, caller, new_key

pytestmark = pytest.mark.django_db


def test_it_answers_a_repeat_what_was_answered_first(own: Caller, path: str) -> None:
    key = new_key()

    first, again = (own.post(f"{path}/payment-links", PAY_20, key=key) for _ in range(2))

    assert (again.status, again.body) == (first.status, first.body)
    assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
    assert PaymentLink.objects.count() == 1


def test_it_takes_the_same_members_in_another_order_for_the_same(own: Caller, path: str) -> None:
    key = new_key()
    own.post(f"{path}/payment-links", PAY_20, key=key)

    again = own.post(f"{path}/payment-links", dict(reversed(PAY_20.items())), key=key)

    assert again.status == 201


def test_it_answers_as_at_first_after_the_link_was_used(own: Caller, path: str) -> None:
    key = new_key()
    first = own.post(f"{path}/payment-links", PAY_20, key=key)
    mark_withdrawn(PaymentLink.objects.get())

    assert own.post(f"{path}/payment-links", PAY_20, key=key).body == first.body


def test_it_refuses_a_key_for_something_else(own: Caller, path: str) -> None:
    key = new_key()
    own.post(f"{path}/payment-links", PAY_20, key=key)

    other = own.post(f"{path}/payment-links", PAY_20 | {"amount_micros": 30 * DOLLAR}, key=key)

    assert (other.status, other.code) == (409, "idempotency_conflict")
    assert PaymentLink.objects.count() == 1


@pytest.mark.parametrize("key", [None, "", "x" * 201, "two words", "ü", "a\tb"])
def test_it_wants_an_idempotency_key(own: Caller, path: str, key: str | None) -> None:
    answer = own.post(f"{path}/payment-links", PAY_20, key=key)

    assert (answer.status, answer.code) == (400, "idempotency_key_required")
    assert not PaymentLink.objects.exists()


def test_it_does_not_use_a_key_up_for_a_refusal(own: Caller, path: str) -> None:
    key = new_key()
    Wallet.objects.update(closed_at=timezone.now())
    assert own.post(f"{path}/payment-links", PAY_20, key=key).status == 409

    Wallet.objects.update(closed_at=None)

    assert own.post(f"{path}/payment-links", PAY_20, key=key).status == 201


def test_it_keeps_tenants_keys_apart(own: Caller, path: str, platform: Caller) -> None:
    other = make_wallet(name="Charlie's Café")
    key = new_key()
    theirs = f"/wallets/{other.workspace.public_id}/payment-links"

    answers = [own.post(f"{path}/payment-links", PAY_20, key=key), caller(other.workspace).post(theirs, PAY_20, key=key)]
    answers.append(platform.post(theirs, PAY_20 | {"amount_micros": 50 * DOLLAR}, key=key))

    assert [answer.status for answer in answers] == [201, 201, 201]
    assert len({answer.body["id"] for answer in answers}) == 3


def test_it_is_the_same_retry_from_another_key_of_the_same_tenant(wallet: Wallet, own: Caller, path: str) -> None:
    key = new_key()
    first = own.post(f"{path}/payment-links", PAY_20, key=key)

    again = caller(wallet.workspace, Scope.WALLET_WRITE).post(f"{path}/payment-links", PAY_20, key=key)

    assert again.body == first.body


def test_it_keeps_no_address_of_a_payment_page(own: Caller, path: str) -> None:
    answer = own.post(f"{path}/payment-links", PAY_20, key=new_key())

    token = answer.body["url"].rpartition("/")[2]
    assert token not in str(IdempotentRequest.objects.values().get())
    assert token not in str(PaymentLink.objects.values().get())


def test_it_makes_no_second_link_long_after_the_answer_was_forgotten(own: Caller, path: str) -> None:
    key = new_key()
    first = own.post(f"{path}/payment-links", PAY_20, key=key)
    IdempotentRequest.objects.all().delete()

    again = own.post(f"{path}/payment-links", PAY_20, key=key)

    assert again.body["id"] == first.body["id"]
