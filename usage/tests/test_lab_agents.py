"""The Lab's agents: what they understand, what they ask for, and that they say that they are scripted."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.lab_agents import STILL_THERE, STILL_THERE_EVERY, Agent, Direction, Memory, lines_until, reply
from usage.lab_scripts import AGENTS, RECEPTION, SALES, SUPPORT

_agents = st.sampled_from(list(AGENTS.values()))


def _talk(agent: Agent, *messages: str) -> list[str]:
    memory, answers = Memory(), []
    for message in messages:
        answer, memory = reply(agent, memory, message)
        answers.append(answer)
    return answers


def test_it_asks_for_what_it_has_to_know_and_says_it_back() -> None:
    answers = _talk(RECEPTION, "I would like to book a visit", "Thursday", "10:30", "Alice Moreau")

    assert answers[:3] == ["Which day suits you?", "Thursday, then. At what time?", "Under which name shall I note it?"]
    assert "Thursday at 10:30, for Alice Moreau" in answers[3]


def test_it_does_not_ask_for_what_was_said_already() -> None:
    assert _talk(RECEPTION, "Can I come by tomorrow at 2 pm?") == ["Under which name shall I note it?"]


def test_it_asks_once_more_and_then_lets_go() -> None:
    answers = _talk(RECEPTION, "book a visit", "perhaps", "who knows", "opening hours")

    assert answers[1].startswith("Sorry, which day?")
    assert answers[2].startswith("I could not work that out")
    assert "9 to 6" in answers[3]


def test_it_follows_a_change_of_subject() -> None:
    assert "under Settings → Billing" in _talk(SUPPORT, "where is my order", "actually, my invoice")[1]


def test_it_forgets_when_told_to() -> None:
    assert _talk(SALES, "yes, still looking", "never mind", "what do you charge, how much?")[2].startswith("Flats in this script")


def test_it_takes_a_no_for_a_no() -> None:
    assert "do not want to be contacted" in _talk(SALES, "no thanks, not interested")[0]


def test_it_does_not_repeat_itself_when_it_is_at_a_loss() -> None:
    first, second = _talk(SUPPORT, "xyzzy", "plugh")

    assert first != second
    assert "You could say" in second


@pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS.keys())
def test_it_says_that_it_is_scripted(agent: Agent) -> None:
    assert "scripted test agent" in agent.greeting
    assert "scripted" in _talk(agent, "are you real?")[0]


@pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS.keys())
def test_it_understands_what_it_suggests(agent: Agent) -> None:
    answers = {_talk(agent, words)[0] for words in agent.suggestions}

    assert len(answers) == len(agent.suggestions)
    assert not answers & set(agent.fallbacks)


@given(agent=_agents, messages=st.lists(st.text(max_size=60), max_size=12))
def test_it_always_has_an_answer_and_a_memory_that_can_be_kept(agent: Agent, messages: list[str]) -> None:
    memory = Memory()
    for message in messages:
        answer, memory = reply(agent, memory, message)
        assert answer
        assert Memory.read(json.loads(json.dumps(memory.as_json()))) == memory


@given(agent=_agents, words=st.text(alphabet=string.ascii_letters + "{} ", max_size=40))
def test_it_says_back_any_words(agent: Agent, words: str) -> None:
    _talk(agent, "take a message", "+1 212 555 0142", words, "something is broken", words, "yesterday")


@given(agent=_agents, direction=st.sampled_from(["out", "in"]), seconds=st.integers(0, 700))
def test_it_adds_lines_to_a_call_and_never_takes_one_back(agent: Agent, direction: Direction, seconds: int) -> None:
    now, later = lines_until(agent, direction, seconds=seconds), lines_until(agent, direction, seconds=seconds + 1)

    assert later[: len(now)] == now
    assert [line.second for line in later] == sorted(line.second for line in later)
    assert all(line.second <= seconds for line in now)


def test_it_stays_on_the_line_when_its_script_is_over() -> None:
    end = RECEPTION.calls["in"][-1].second

    assert lines_until(RECEPTION, "in", seconds=end)[-1].text != STILL_THERE
    assert lines_until(RECEPTION, "in", seconds=end + STILL_THERE_EVERY)[-1].text == STILL_THERE
