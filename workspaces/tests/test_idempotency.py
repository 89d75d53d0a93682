"""Kept answers are forgotten after a week; until then a key does its work once, however many send it at the same instant."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from wallet.models import PaymentLink, Wallet
from wallet.services.wallets import open_wallet
from workspaces import services
from workspaces.models import IdempotentRequest, Workspace
from workspaces.services import idempotency
from workspaces.tasks import forget_old_requests
from workspaces.tests.api_caller import Answer, Caller, caller

PAY = {"purpose": "pay", "amount_micros": 20_000_000}
PARALLEL = 50


def kept(age: timedelta) -> IdempotentRequest:
    """An answer kept for so long."""
    request = IdempotentRequest.objects.create(key=f"key-{age}", fingerprint="x", status=201)
    IdempotentRequest.objects.filter(pk=request.pk).update(created_at=timezone.now() - age)
    return request


@pytest.mark.django_db
def test_it_forgets_answers_after_seven_days() -> None:
    old, young = kept(timedelta(days=7, minutes=1)), kept(timedelta(days=6, hours=23))

    forget_old_requests()

    assert list(IdempotentRequest.objects.all()) == [young]
    assert old.key != young.key


@pytest.mark.django_db
def test_it_forgets_no_more_at_once_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "FORGOTTEN_AT_ONCE_MAX", 2)
    for days in range(8, 12):
        kept(timedelta(days=days))

    assert [services.forget_old_requests() for _ in range(3)] == [2, 2, 0]


def send_at_once(workspace: Workspace, *, key: str, bodies: list[dict[str, Any]]) -> list[Answer]:
    """Each body under the same key, all at the same instant, each on a connection of its own."""
    secret = caller(workspace).secret

    def send(body: dict[str, Any]) -> Answer:
        try:
            return Caller(secret).post(f"/wallets/{workspace.public_id}/payment-links", body, key=key)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(send, bodies))


@pytest.fixture
def bakery(transactional_db: None) -> Workspace:
    workspace = Workspace.objects.create(name="Alice's Bakery")
    open_wallet(workspace, currency="usd")
    return workspace


def test_it_does_what_fifty_ask_at_once_one_time(bakery: Workspace) -> None:
    answers = send_at_once(bakery, key="one-intent", bodies=[PAY] * PARALLEL)

    assert {answer.status for answer in answers} == {201}
    assert len({answer.raw for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert PaymentLink.objects.count() == 1
    assert IdempotentRequest.objects.count() == 1


def test_it_does_it_many_times_without_the_claim(bakery: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: without the row that all wait for, and without what the link's own request id would still hold back."""
    monkeypatch.setattr("workspaces.services.claim_request", lambda *args, **kwargs: (IdempotentRequest(**kwargs), True))
    monkeypatch.setattr("workspaces.services.keep_answer", lambda *args, **kwargs: None)
    numbers = iter(range(PARALLEL))
    monkeypatch.setattr("workspaces.api.idempotency._effect_id", lambda *args, **kwargs: f"api:{next(numbers)}")

    answers = send_at_once(bakery, key="one-intent", bodies=[PAY] * 10)

    assert {answer.status for answer in answers} == {201}
    assert PaymentLink.objects.count() == 10


def test_it_holds_even_without_the_claim_by_the_links_own_request(bakery: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second line: the id of the intent is unique among the wallet's links, for ever."""
    monkeypatch.setattr("workspaces.services.claim_request", lambda *args, **kwargs: (IdempotentRequest(**kwargs), True))
    monkeypatch.setattr("workspaces.services.keep_answer", lambda *args, **kwargs: None)

    answers = send_at_once(bakery, key="one-intent", bodies=[PAY] * 10)

    assert len({answer.body["id"] for answer in answers}) == 1
    assert PaymentLink.objects.count() == 1


def test_it_lets_one_of_two_different_requests_win_the_key(bakery: Workspace) -> None:
    other = PAY | {"amount_micros": 30_000_000}

    answers = send_at_once(bakery, key="one-intent", bodies=[PAY, other] * 5)

    link = PaymentLink.objects.get()
    won = [answer for answer, body in zip(answers, [PAY, other] * 5, strict=True) if body["amount_micros"] == link.amount_micros]
    lost = [answer for answer in answers if answer not in won]
    assert {answer.status for answer in won} == {201}
    assert {answer.code for answer in lost} == {"idempotency_conflict"}


def test_it_uses_no_key_up_when_all_at_once_are_refused(bakery: Workspace) -> None:
    Wallet.objects.update(closed_at=timezone.now())

    answers = send_at_once(bakery, key="one-intent", bodies=[PAY] * 10)

    assert {answer.code for answer in answers} == {"wallet_closed"}
    assert not IdempotentRequest.objects.exists()
