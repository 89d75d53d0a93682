"""What the Lab's pages say of a run. Reads only: no run is changed, ended or charged here."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from usage.lab_agents import Line, lines_until
from usage.lab_scripts import AGENTS, agent_name
from usage.models import LabRun
from usage.numbers import readable_numbers
from usage.services.gate import CALL_SECONDS_MAX
from usage.services.lab_calls import CALL_MAX
from usage.services.lab_use import live_cost, money_seconds
from wallet.models import Wallet

RECENT_RUNS = 10

ICONS = {LabRun.Direction.OUT: "arrow-up-right", LabRun.Direction.IN: "arrow-down-left"}

ENDINGS: dict[str, str] = {
    LabRun.EndReason.HUNG_UP: "You hung up.",
    LabRun.EndReason.UNANSWERED: "You hung up before anyone answered, so nothing was counted.",
    LabRun.EndReason.MONEY_GONE: "The money for this call was used up, so it ended by itself.",
    LabRun.EndReason.TIME_LIMIT: f"Test calls last {CALL_MAX.seconds // 60} minutes at most, so it ended by itself.",
    LabRun.EndReason.PAGE_GONE: "Its page was closed, so the call ended by itself a minute and a half later.",
}


@dataclass(frozen=True)
class TimeLeft:
    """How long a live call goes on after `run_seconds`: until the longest test call is reached, or its money is used up before.

    `money_seconds` is how long a call all of that money buys, up to the gate's CALL_SECONDS_MAX; None where no money limits it.
    """

    run_seconds: int
    money_seconds: int | None

    @property
    def is_money(self) -> bool:
        return self.money_seconds is not None and self.money_seconds < CALL_MAX.seconds

    @property
    def seconds(self) -> int:
        whole = CALL_MAX.seconds if self.money_seconds is None else min(self.money_seconds, CALL_MAX.seconds)
        return max(0, whole - self.run_seconds)

    @property
    def label(self) -> str:
        return "Money left for" if self.is_money else "Time left"

    @property
    def clock(self) -> str:
        return clock(self.seconds)

    @property
    def limit(self) -> str:
        """Which limit it is."""
        if self.is_money:
            return "The call ends when the money for it is used up."
        longest = f"Test calls last {CALL_MAX.seconds // 60} minutes at most"
        return f"{longest}." if self.money_seconds is None else f"{longest}: the money would buy {_bought(self.money_seconds)}."

    @property
    def runs_low(self) -> bool:
        return self.is_money and self.seconds <= LOW_SECONDS


def _bought(seconds: int) -> str:
    """`52 min`, `3 h 12 min`, or as far as the gate looks: `more than 4 hours`."""
    hours, minutes = divmod(seconds // 60, 60)
    if seconds >= CALL_SECONDS_MAX:
        return f"more than {hours} hours"
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


@dataclass(frozen=True)
class CallShown:
    """A call as its page shows it at one moment. The cost is None where nothing says the price, `left` where nothing is charged."""

    run: LabRun
    agent: str
    state: str
    seconds: int
    cost_micros: int | None
    left: "TimeLeft | None"
    lines: list[Line]

    @property
    def clock(self) -> str:
        return clock(self.seconds)

    @property
    def status(self) -> str:
        """The state in words, for the eye and for screen readers."""
        return {"ringing": "Ringing…", "running": "On the call", "ended": "Call ended"}[self.state]

    @property
    def ending(self) -> str:
        return ENDINGS.get(self.run.end_reason, "")

    @property
    def icon(self) -> str:
        return ICONS[LabRun.Direction(self.run.direction)]

    @property
    def number(self) -> str:
        return readable_numbers(self.run.number)


LOW_SECONDS = 60
"""From here on the money left is shown as a warning."""


def show_call(run: LabRun) -> CallShown:
    """What stands on the call's page now."""
    now = timezone.now()
    state, seconds = _state(run, now), run.seconds or run.seconds_at(now)
    return CallShown(
        run=run,
        agent=agent_name(run.agent),
        state=state,
        seconds=seconds if _was_answered(run) else 0,
        cost_micros=_cost(run, state=state, seconds=seconds),
        left=TimeLeft(seconds, money_seconds(run)) if run.is_live and state != "ended" else None,
        lines=_lines(run, state=state, now=now),
    )


def _lines(run: LabRun, *, state: str, now: datetime) -> list[Line]:
    agent = AGENTS.get(run.agent)
    if agent is None or state == "ringing" or not _was_answered(run):
        return []
    return lines_until(agent, "in" if run.is_inbound else "out", seconds=run.seconds_at(now))


def _was_answered(run: LabRun) -> bool:
    return run.end_reason != LabRun.EndReason.UNANSWERED


def _state(run: LabRun, now: datetime) -> str:
    if run.ended_at is not None:
        return "ended"
    return "ringing" if run.answered_at is not None and now < run.answered_at else "running"


def _cost(run: LabRun, *, state: str, seconds: int) -> int | None:
    """What was charged in the end; until then what the seconds so far come to."""
    if run.settled_at is not None:
        return run.live_micros
    return live_cost(run, quantity=seconds, at=run.answered_at) if seconds or state != "ended" else 0


@dataclass(frozen=True)
class RunRow:
    """One run in the list."""

    run: LabRun
    icon: str
    title: str
    details: str
    is_open: bool


def recent_runs(wallet: Wallet, *, with_live: bool) -> list[RunRow]:
    """The newest runs first, RECENT_RUNS at most; those that spent money only for whoever may see billing."""
    runs = LabRun.objects.filter(wallet=wallet).order_by("-started_at")
    return [_row(run) for run in (runs if with_live else runs.filter(is_live=False))[:RECENT_RUNS]]


def _row(run: LabRun) -> RunRow:
    if not run.is_call:
        count = f"{run.answers} answer{'' if run.answers == 1 else 's'}"
        return RunRow(run, "message", f"Chat Lab · {agent_name(run.agent)}", count, is_open=False)
    direction, is_open = LabRun.Direction(run.direction), run.ended_at is None
    length = "not answered" if run.end_reason == LabRun.EndReason.UNANSWERED else duration(run.seconds)
    details = f"{direction.label} · {readable_numbers(run.number)}" + ("" if is_open else f" · {length}")
    return RunRow(run, ICONS[direction], f"Voice Lab · {agent_name(run.agent)}", details, is_open=is_open)


def clock(seconds: int) -> str:
    """`4:07`, or `1:04:07` from an hour on; the page's script writes the same."""
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def duration(seconds: int) -> str:
    """`4 min 07 s`."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
