"""The Lab's agents: scripts with intents, questions and a memory, not a language model, and they say so. Pure: no Django, no clock.

What an agent knows stands in lab_scripts.py; here is how it listens. The same words after the same memory get the same answer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

Direction = Literal["out", "in"]

_WORD = re.compile(r"[a-z0-9']+")
_SLOT_MAX = 80


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Something that an intent has to know. `pattern` finds it in what was said; empty takes the words as they are."""

    name: str
    question: str
    pattern: str = ""
    again: str = ""

    def find(self, text: str) -> str:
        """What the text says about it; empty where it says nothing."""
        if not self.pattern:
            return " ".join(text.split())[:_SLOT_MAX]
        found = re.search(self.pattern, text, re.IGNORECASE)
        return found[0].strip()[:_SLOT_MAX] if found else ""


@dataclass(frozen=True, kw_only=True)
class Intent:
    """Something that people want. Keywords are words or phrases; `answer` may name slots in braces."""

    name: str
    keywords: tuple[str, ...]
    answer: str
    slots: tuple[Slot, ...] = ()

    def score(self, text: str) -> int:
        """How strongly the words point here: longer phrases count for more."""
        words = f" {' '.join(_WORD.findall(text.lower()))} "
        return sum(len(keyword.split()) for keyword in self.keywords if f" {keyword} " in words)


@dataclass(frozen=True)
class Line:
    """A line of a call's script, said so many seconds after the call was answered."""

    second: int
    speaker: Literal["agent", "caller"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Agent:
    """One scripted agent: what it is for, what it says first, what it understands, and its two test calls."""

    slug: str
    name: str
    about: str
    greeting: str
    intents: tuple[Intent, ...]
    fallbacks: tuple[str, ...]
    suggestions: tuple[str, ...]
    calls: Mapping[Direction, tuple[Line, ...]]


@dataclass(frozen=True)
class Memory:
    """What an agent keeps between two messages: the intent it is busy with, what it has learned, how often it was at a loss."""

    intent: str = ""
    slots: dict[str, str] = field(default_factory=dict)
    misses: int = 0

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """From what as_json() wrote; a run that has none yet begins anew."""
        return cls(stored.get("intent", ""), dict(stored.get("slots", {})), stored.get("misses", 0))

    def as_json(self) -> dict[str, Any]:
        return {"intent": self.intent, "slots": self.slots, "misses": self.misses}


SMALL_TALK = (
    Intent(
        name="who",
        keywords=("human", "robot", "a bot", "real person", "are you real", "who are you", "scripted", "chatgpt"),
        answer="I am a scripted test agent: I follow a few written rules, and no language model is behind me.",
    ),
    Intent(name="thanks", keywords=("thanks", "thank you", "thx", "cheers"), answer="You are welcome. Is there anything else?"),
    Intent(name="bye", keywords=("bye", "goodbye", "see you", "that's all", "that is all"), answer="Thank you for trying me. Goodbye!"),
    Intent(name="hello", keywords=("hello", "hi", "hey", "good morning", "good afternoon"), answer="Hello! What can I do for you?"),
)
_CANCEL = Intent(name="cancel", keywords=("never mind", "nevermind", "forget it", "start over", "something else"), answer="")
_HELP = Intent(name="help", keywords=("help", "what can you do", "options", "menu"), answer="")


def reply(agent: Agent, memory: Memory, text: str) -> tuple[str, Memory]:
    """The agent's answer, and what it remembers from here on."""
    if _CANCEL.score(text):
        return f"No problem, let us leave that. {_offer(agent)}", Memory()
    wanted = _best(agent.intents, text)
    busy = next((intent for intent in agent.intents if intent.name == memory.intent), None)
    if busy is not None:
        return _go_on(agent, busy, memory, text, wanted=wanted)
    if wanted is not None:
        return _begin(wanted, text)
    if _HELP.score(text):
        return _offer(agent), Memory()
    if small := _best(SMALL_TALK, text):
        return small.answer, Memory()
    return _at_a_loss(agent, memory)


def lines_until(agent: Agent, direction: Direction, *, seconds: int) -> list[Line]:
    """What has been said in a call so far. When the script is over the agent asks, every so often, whether anyone is there."""
    script = agent.calls[direction]
    said = [line for line in script if line.second <= seconds]
    end = script[-1].second
    return said + [Line(second, "agent", STILL_THERE) for second in range(end + STILL_THERE_EVERY, seconds + 1, STILL_THERE_EVERY)]


STILL_THERE = "The script ends here, and I am still on the line. Hang up whenever you like."
STILL_THERE_EVERY = 45


def _best(intents: tuple[Intent, ...], text: str) -> Intent | None:
    """The intent that the words point to most; the earlier one where two are alike."""
    best = max(intents, key=lambda intent: intent.score(text))
    return best if best.score(text) else None


def _begin(intent: Intent, text: str) -> tuple[str, Memory]:
    # What the first message says already is not asked for again; only what has a pattern can be told from the rest.
    known = {slot.name: value for slot in intent.slots if slot.pattern and (value := slot.find(text))}
    return _ask_or_answer(intent, known)


def _go_on(agent: Agent, busy: Intent, memory: Memory, text: str, *, wanted: Intent | None) -> tuple[str, Memory]:
    slot = next(slot for slot in busy.slots if slot.name not in memory.slots)
    changes_subject = wanted is not None and wanted is not busy
    value = "" if changes_subject and not slot.pattern else slot.find(text)
    if value:
        return _ask_or_answer(busy, memory.slots | {slot.name: value})
    if wanted is not None and changes_subject:
        return _begin(wanted, text)
    if memory.misses:
        return f"I could not work that out, so I leave it there. {_offer(agent)}", Memory()
    return slot.again or f"Sorry, I did not get that. {slot.question}", replace(memory, misses=memory.misses + 1)


def _ask_or_answer(intent: Intent, known: dict[str, str]) -> tuple[str, Memory]:
    missing = next((slot for slot in intent.slots if slot.name not in known), None)
    if missing is not None:
        return _worded(missing.question, known), Memory(intent.name, known)
    return _worded(intent.answer, known), Memory()


def _worded(text: str, known: Mapping[str, str]) -> str:
    """The sentence with what was learned in it; it may begin with what somebody wrote small."""
    worded = text.format(**known)
    return worded[0].upper() + worded[1:]


def _at_a_loss(agent: Agent, memory: Memory) -> tuple[str, Memory]:
    text = agent.fallbacks[memory.misses % len(agent.fallbacks)]
    return (f"{text} {_offer(agent)}" if memory.misses else text), Memory(misses=memory.misses + 1)


def _offer(agent: Agent) -> str:
    return "You could say: " + ", ".join(f"“{words}”" for words in agent.suggestions) + "."
