"""Chats: each answer is free in the Lab, and one AI task live; the same message sent twice is answered and charged once."""

from uuid import uuid4

import pytest

from usage.errors import NotAllowed, Reason
from usage.models import Event, LabRun
from usage.services import lab_chats
from usage.services.lab_chats import ChatIsFull, say, start_chat
from usage.tests.lab.conftest import ANSWER, Fund, standing
from wallet.models import Hold, Transfer, Wallet
from workspaces.models import User


def _chat(wallet: Wallet, alice: User, *, is_live: bool) -> LabRun:
    return start_chat(wallet, agent="reception", is_live=is_live, request_id=uuid4().hex, by=alice)


def test_it_is_free_and_remembers_what_was_said(wallet: Wallet, alice: User) -> None:
    run = _chat(wallet, alice, is_live=False)

    for words in ("book a visit", "Thursday", "10:30", "Alice"):
        *_, answer = say(run.pk, text=words, request_id=uuid4().hex)

    assert "Thursday at 10:30, for Alice" in answer.text
    run.refresh_from_db()
    assert (run.answers, run.live_micros) == (4, 4 * ANSWER)
    assert set(Event.objects.values_list("meter_id", "amount_micros", "transfer_seq")) == {("chat_lab", 0, None)}
    assert Event.objects.count() == 4
    assert not Transfer.objects.exists()


def test_it_charges_each_answer_live_once(wallet: Wallet, alice: User, fund: Fund) -> None:
    fund(10 * ANSWER)
    run = _chat(wallet, alice, is_live=True)

    first = say(run.pk, text="opening hours", request_id="a" * 32)
    again = say(run.pk, text="opening hours", request_id="a" * 32)

    assert first == again
    assert [message.text for message in first] == [message.text for message in again]
    assert standing(wallet) == (9 * ANSWER, 0)
    assert Transfer.objects.filter(kind="ai_task").count() == 1
    assert Hold.objects.get().status == Hold.Status.CAPTURED


def test_it_refuses_at_zero_and_says_nothing(wallet: Wallet, alice: User, fund: Fund) -> None:
    fund(ANSWER)
    run = _chat(wallet, alice, is_live=True)
    say(run.pk, text="hello", request_id="a" * 32)

    with pytest.raises(NotAllowed) as refused:
        say(run.pk, text="opening hours", request_id="b" * 32)

    assert refused.value.reason is Reason.INSUFFICIENT_FUNDS
    assert run.messages.count() == 3

    fund(ANSWER)
    assert len(say(run.pk, text="opening hours", request_id="b" * 32)) == 2


def test_it_ends_somewhere(wallet: Wallet, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_chats, "ANSWERS_MAX", 1)
    run = _chat(wallet, alice, is_live=False)
    say(run.pk, text="hello", request_id="a" * 32)

    with pytest.raises(ChatIsFull):
        say(run.pk, text="hello", request_id="b" * 32)
