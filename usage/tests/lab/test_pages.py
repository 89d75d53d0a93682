"""The Lab's pages: who may do what, what they say without a script, and that a button pressed twice is one run."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from usage.lab_pages import RECENT_RUNS
from usage.models import LabRun, Meter
from usage.services.lab_calls import CallPlan, start_call
from usage.services.lab_chats import start_chat
from usage.tests.lab.conftest import ANSWER, MINUTE_OUT, NUMBER, Call, Fund, answered
from wallet.models import Hold, Transfer, Wallet
from wallet.tests.builders import DOLLAR
from workspaces.models import User

Address = Callable[..., str]
SignedIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def alices(wallet: Wallet, alice: User, signed_in: SignedIn) -> Client:
    return signed_in(alice)


def _form(**changes: Any) -> dict[str, Any]:
    return {"request_id": uuid4().hex, "agent": "reception", "mode": "lab", "direction": "out", "number": NUMBER} | changes


def _text(response: Any) -> str:
    return " ".join(response.content.decode().split())


# ---------------------------------------------------------------- who may
def test_it_lets_a_member_try_for_nothing(bob: User, wallet: Wallet, signed_in: SignedIn, address: Address) -> None:
    bobs = signed_in(bob)

    page = bobs.get(address("lab"))
    called = bobs.post(address("new_lab_call"), _form())
    chatted = bobs.post(address("new_lab_chat"), _form())

    assert page.status_code == 200
    assert "Live runs spend money, so owners and admins start them" in _text(page)
    assert bobs.get(called["Location"]).status_code == bobs.get(chatted["Location"]).status_code == 200


@pytest.mark.usefixtures("funded")
@pytest.mark.parametrize("name", ["new_lab_call", "new_lab_chat"])
def test_it_keeps_a_member_from_spending(bob: User, wallet: Wallet, signed_in: SignedIn, address: Address, name: str) -> None:
    response = signed_in(bob).post(address(name), _form(mode="live"))

    assert response.status_code == 403
    assert "alice@northside.example" in _text(response)
    assert not LabRun.objects.exists()


@pytest.mark.usefixtures("funded")
def test_it_shows_a_member_no_run_that_spent_money(
    bob: User, alice: User, wallet: Wallet, call: Call, signed_in: SignedIn, address: Address
) -> None:
    run = call()
    chat = start_chat(wallet, agent="support", is_live=True, request_id=uuid4().hex, by=alice)
    bobs = signed_in(bob)

    assert "No runs yet" in _text(bobs.get(address("lab") + "?mode=live"))
    assert bobs.get(address("lab_call", run.pk)).status_code == 403
    for name in ("lab_call_pulse", "hang_up_lab_call"):
        assert bobs.post(address(name, run.pk)).status_code == 403
    assert bobs.get(address("lab_chat", chat.pk)).status_code == 403
    assert bobs.post(address("say_in_lab_chat", chat.pk), {"text": "hi", "request_id": "a" * 32}).status_code == 403
    assert LabRun.objects.filter(ended_at=None).count() == 2


def test_it_tells_a_stranger_nothing(charlie: User, alice: User, wallet: Wallet, call: Call, signed_in: SignedIn, address: Address) -> None:
    run = call(is_live=False)
    chat = start_chat(wallet, agent="support", is_live=False, request_id=uuid4().hex, by=alice)
    charlies = signed_in(charlie)

    for name, key in (("lab", ()), ("lab_call", (run.pk,)), ("lab_chat", (chat.pk,))):
        assert charlies.get(address(name, *key)).status_code == 404
    for name, key in (
        ("new_lab_call", ()),
        ("new_lab_chat", ()),
        ("lab_call_pulse", (run.pk,)),
        ("hang_up_lab_call", (run.pk,)),
        ("say_in_lab_chat", (chat.pk,)),
    ):
        assert charlies.post(address(name, *key), _form()).status_code == 404
    assert LabRun.objects.count() == 2


def test_it_finds_runs_of_its_own_workspace_alone(
    charlie: User, wallet: Wallet, call: Call, signed_in: SignedIn, address: Address, workspace: Any
) -> None:
    run = call(is_live=False)
    own = charlie.memberships.get().workspace.public_id

    response = signed_in(charlie).get(address("lab_call", run.pk).replace(workspace.public_id, own))

    assert response.status_code == 404


# ---------------------------------------------------------------- calls
def test_it_makes_a_call_without_a_script(alices: Client, address: Address) -> None:
    page = alices.get(alices.post(address("new_lab_call"), _form())["Location"])
    assert "Ringing" in _text(page)
    run = LabRun.objects.get()
    answered(run, seconds=12.5)

    page = alices.get(address("lab_call", run.pk))
    assert "On the call" in _text(page)
    assert "+1 212 555 0142" in _text(page)
    assert re.search(r"0:1[2-9]", _text(page)), "however busy the machine is"
    assert "confirm your visit" in _text(page)

    page = alices.get(alices.post(address("hang_up_lab_call", run.pk))["Location"])
    assert "Call ended" in _text(page)
    assert '<b>Free</b> · would have cost <span class="num">$0.0042</span> live' in _text(page)


def test_it_says_only_what_is_new_to_the_page(alices: Client, call: Call, address: Address) -> None:
    run = call(is_live=False)
    answered(run, seconds=12.5)

    response = alices.post(address("lab_call_pulse", run.pk), {"seen": "1", "state": "ringing"}, headers=HTMX)

    text = _text(response)
    assert "Ah yes, at half past ten." in text
    assert "Hello?" not in text
    assert '<input type="hidden" name="seen" value="3">' in text
    assert 'role="status" hx-swap-oob="innerHTML">On the call' in text


def test_it_turns_the_whole_card_when_the_call_has_ended(alices: Client, call: Call, address: Address) -> None:
    run = call(is_live=False)
    answered(run, seconds=3600, seen=False)

    response = alices.post(address("lab_call_pulse", run.pk), {"seen": "0", "state": "running"}, headers=HTMX)

    assert (response["HX-Retarget"], response["HX-Reswap"]) == ("#call", "outerHTML")
    assert "Its page was closed" in _text(response)


@pytest.mark.usefixtures("funded")
def test_it_is_one_call_when_the_button_is_pressed_twice(alices: Client, wallet: Wallet, address: Address) -> None:
    form = _form(mode="live")

    first, second = alices.post(address("new_lab_call"), form), alices.post(address("new_lab_call"), form)
    run = LabRun.objects.get()
    answered(run, seconds=5.5)
    for _ in range(2):
        assert alices.post(address("hang_up_lab_call", run.pk)).status_code == 302

    assert first["Location"] == second["Location"]
    assert Transfer.objects.filter(kind="call_out").count() == 1
    assert Hold.objects.count() == 1


@pytest.mark.parametrize("number", ["", "0123456789", "911", "call me", "+1 <script>"])
def test_it_asks_for_a_whole_number(alices: Client, address: Address, number: str) -> None:
    response = alices.post(address("new_lab_call"), _form(number=number))

    assert response.status_code == 422
    assert 'aria-invalid="true"' in _text(response)
    assert "<script>" not in response.content.decode().partition('id="number-errors"')[2].partition("</ul>")[0]
    assert not LabRun.objects.exists()


@pytest.mark.parametrize("changes", [{"agent": "hal"}, {"direction": "up"}, {"mode": "gratis"}, {"request_id": "short"}])
def test_it_refuses_what_the_form_does_not_offer(alices: Client, address: Address, changes: dict[str, str]) -> None:
    assert alices.post(address("new_lab_call"), _form(**changes)).status_code == 422
    assert not LabRun.objects.exists()


# ---------------------------------------------------------------- at zero
def test_it_says_why_it_refuses_and_the_way_out(alices: Client, wallet: Wallet, address: Address) -> None:
    wallet.depleted_at = timezone.now()
    wallet.save(update_fields=["depleted_at"])

    response = alices.post(address("new_lab_call"), _form(mode="live"))

    text = _text(response)
    assert response.status_code == 422
    assert "too little available" in text
    assert "Inbound calls still ring until" in text
    assert "add-balance" in text
    assert alices.post(address("new_lab_call"), _form(mode="live", direction="in")).status_code == 302


def test_it_says_that_calls_are_paused(alices: Client, wallet: Wallet, address: Address) -> None:
    wallet.depleted_at = timezone.now() - timedelta(days=1)
    wallet.save(update_fields=["depleted_at"])

    text = _text(alices.post(address("new_lab_call"), _form(mode="live", direction="in")))

    assert "all calls are paused" in text
    assert "add-balance" in text


# ---------------------------------------------------------------- chats
def test_it_chats_without_a_script(alices: Client, address: Address) -> None:
    chat = alices.post(address("new_lab_chat"), _form(agent="support"))["Location"]
    run = LabRun.objects.get()

    sent = alices.post(address("say_in_lab_chat", run.pk), {"text": "where is my order", "request_id": "a" * 32})

    assert sent["Location"] == chat + "#say"
    text = _text(alices.get(chat))
    assert "What is the order number?" in text
    assert 'would have cost <span class="num">$0.0500</span> live' in text


def test_it_adds_to_the_chat_what_was_said(alices: Client, wallet: Wallet, alice: User, fund: Fund, address: Address) -> None:
    fund(ANSWER)
    run = start_chat(wallet, agent="support", is_live=True, request_id=uuid4().hex, by=alice)
    say = address("say_in_lab_chat", run.pk)

    said = alices.post(say, {"text": "<b>my invoice</b>", "request_id": "a" * 32}, headers=HTMX)
    refused = alices.post(say, {"text": "my invoice", "request_id": "b" * 32}, headers=HTMX)

    assert "&lt;b&gt;my invoice&lt;/b&gt;" in _text(said)
    assert "−$0.0500" in _text(said)
    assert "a" * 32 not in _text(said)
    assert (refused.status_code, refused["HX-Retarget"]) == (422, "#say-refusal")
    assert "add-balance" in _text(refused)


@pytest.mark.parametrize("text", ["", "   ", "x" * 501])
def test_it_says_what_is_wrong_with_a_message(alices: Client, wallet: Wallet, alice: User, address: Address, text: str) -> None:
    run = start_chat(wallet, agent="support", is_live=False, request_id=uuid4().hex, by=alice)

    response = alices.post(address("say_in_lab_chat", run.pk), {"text": text, "request_id": "a" * 32})

    assert response.status_code == 422
    assert 'role="alert"' in _text(response)


# ---------------------------------------------------------------- the list
def test_it_lists_the_newest_runs_with_what_they_cost(
    alices: Client, wallet: Wallet, alice: User, call: Call, fund: Fund, address: Address
) -> None:
    fund(10 * ANSWER)
    for number in range(RECENT_RUNS):
        run = start_chat(wallet, agent="sales", is_live=False, request_id=uuid4().hex, by=alice)
        LabRun.objects.filter(pk=run.pk).update(started_at=timezone.now() - timedelta(hours=1 + number))
    run = call()
    answered(run, seconds=59.5)
    alices.post(address("hang_up_lab_call", run.pk))

    text = _text(alices.get(address("lab")))

    rows = text.partition("Recent runs")[2].split("<li>")[1:]
    assert len(rows) == RECENT_RUNS
    assert "Voice Lab · Reception" in rows[0]
    assert "1 min 00 s" in rows[0]
    assert "−$0.0140" in rows[0]
    assert all("Free" in row for row in rows[1:])


def test_it_works_before_there_are_prices(alices: Client, address: Address) -> None:
    Meter.objects.filter(pk="voice_lab").update(is_active=False)
    Meter.objects.filter(pk="chat_lab").update(is_active=False)

    page = alices.get(address("lab"))
    called = alices.post(address("new_lab_call"), _form())
    refused = alices.post(address("new_lab_call"), _form(mode="live"))

    assert page.status_code == 200
    assert alices.get(called["Location"]).status_code == 200
    assert (refused.status_code, "Nothing prices this" in _text(refused)) == (422, True)


# ---------------------------------------------------------------- how long a live call goes on
def from_then_on(clock: str) -> list[str]:
    """The clock, and the next seconds of its running down."""
    minutes, seconds = (int(part) for part in clock.split(":"))
    return ["{}:{:02d}".format(*divmod(minutes * 60 + seconds - passed, 60)) for passed in range(5)]


@pytest.mark.parametrize(
    ("micros", "label", "clock", "limit"),
    [
        (2 * MINUTE_OUT, "Money left for", "1:30", "The call ends when the money for it is used up."),
        (52 * MINUTE_OUT, "Time left", "9:30", "Test calls last 10 minutes at most: the money would buy 52 min."),
        (200 * MINUTE_OUT, "Time left", "9:30", "Test calls last 10 minutes at most: the money would buy 3 h 20 min."),
        (10 * DOLLAR, "Time left", "9:30", "Test calls last 10 minutes at most: the money would buy more than 4 hours."),
    ],
)
def test_it_shows_the_smaller_limit_and_says_which_it_is(
    alices: Client, call: Call, fund: Fund, address: Address, micros: int, label: str, clock: str, limit: str
) -> None:
    fund(micros)
    run = call()
    answered(run, seconds=30.5)

    page = _text(alices.get(address("lab_call", run.pk)))

    assert f"<dt>{label}</dt>" in page
    assert any(f">{shown}</dd>" in page for shown in from_then_on(clock)), "however busy the machine is"
    assert limit in page


def test_it_says_the_longest_time_of_a_call_that_costs_nothing(alices: Client, alice: User, wallet: Wallet, address: Address) -> None:
    """An emergency number, which no form takes: nothing is held, and no money limits it."""
    plan = CallPlan(agent="reception", direction="out", number="911", is_live=True)
    run = start_call(wallet, plan, request_id=uuid4().hex, by=alice)

    page = _text(alices.get(address("lab_call", run.pk)))

    assert "<dt>Time left</dt>" in page
    assert ">10:00</dd>" in page
    assert "Test calls last 10 minutes at most." in page
