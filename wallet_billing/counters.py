"""Counts what happens, over all processes and machines: added up in this process and carried to Redis a moment later.

Whoever counts waits for nothing. What is counted is for watching; no decision and no money may depend on it.
"""

import atexit
import collections
import operator
import os
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import product
from uuid import uuid4

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

KEY = "counters"
"""A hash in Redis: one field per series, which only ever grows."""
CARRIED_AFTER_SECONDS = 1.0
REDIS_TIMEOUT_SECONDS = 1.0
REMEMBERED_SECONDS = 24 * 3600
"""How long Redis knows a delivery: one that got no answer is sent again until then, and still counts once."""
_ADD_ONCE = """
if redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[1]) then
    for at = 2, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[at], ARGV[at + 1]) end
end
"""

Counts = collections.Counter[str]


@dataclass(frozen=True, kw_only=True)
class Counter:
    """Something that is counted, apart by its labels. All values of every label are known: none is a workspace's, or a sender's choice."""

    name: str
    meaning: str
    labels: Mapping[str, Collection[str]] = field(default_factory=dict)

    def add(self, *values: str, count: int = 1) -> None:
        """Count it, by its labels' values in their order. For what the database undoes too: after commit."""
        known = len(values) == len(self.labels) and all(map(operator.contains, self.labels.values(), values))
        assert known, f"{self.name} is not counted by {values}."
        _pending.add(self._series(values), count=count)

    def totals(self, counted: Mapping[str, int]) -> dict[tuple[str, ...], int]:
        """Every series there can be, of what `counted` found; those that never happened are 0, so that their first time is seen."""
        return {values: counted.get(self._series(values), 0) for values in product(*self.labels.values())}

    def _series(self, values: tuple[str, ...]) -> str:
        return "|".join((self.name, *values))


def counted() -> dict[str, int]:
    """What all processes have carried to Redis so far. Raises: RedisError."""
    with closing(_connected()) as client:
        return {str(name): int(count) for name, count in client.hgetall(KEY).items()}


def carry() -> None:
    """Carry to Redis what this process has counted; returns when nothing is left. Raises: RedisError, with nothing lost."""
    _pending.carry()


def carry_at_the_end() -> None:
    """The last act of a process. Without Redis its last moments stay uncounted."""
    with suppress(redis.RedisError):
        carry()


class _Pending:
    """What was counted here and is not known to be in Redis."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """For a process that was forked: what its parent has counted, the parent carries; and its thread stayed there."""
        self._counts = Counts()
        self._under_way: tuple[str, Counts] | None = None
        self._changing, self._carrying = threading.Lock(), threading.Lock()
        self._has_some, self._thread = threading.Event(), None

    def add(self, series: str, *, count: int) -> None:
        with self._changing:
            self._counts[series] += count
            if self._thread is None:
                self._thread = threading.Thread(target=self._carry_for_ever, name="counters", daemon=True)
                self._thread.start()
        self._has_some.set()

    def carry(self) -> None:
        with self._carrying:
            while self._under_way or self._counts:
                if self._under_way is None:
                    with self._changing:
                        self._under_way, self._counts = (uuid4().hex, self._counts), Counts()
                _deliver(*self._under_way)
                self._under_way = None

    def _carry_for_ever(self) -> None:
        while True:
            self._has_some.wait()
            time.sleep(CARRIED_AFTER_SECONDS)
            self._has_some.clear()
            try:
                self.carry()
            except redis.RedisError:
                # Whoever asks for the figures is told that Redis is away. Meanwhile a few numbers grow.
                self._has_some.set()

    _thread: threading.Thread | None


def _deliver(delivery: str, counts: Counts) -> None:
    facts = [str(part) for pair in counts.items() for part in pair]
    with closing(_connected()) as client:
        client.eval(_ADD_ONCE, 2, KEY, f"{KEY}:{delivery}", str(REMEMBERED_SECONDS), *facts)


def _connected() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


_pending = _Pending()
os.register_at_fork(after_in_child=_pending.forget)
atexit.register(carry_at_the_end)
