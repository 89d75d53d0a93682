"""Counting over many processes: nothing waits for Redis, nothing counts twice, and nothing is lost while Redis is away."""

from collections import Counter as Counts
from typing import Any

import pytest
import redis

from wallet_billing import counters
from wallet_billing.counters import Counter

CALLS = Counter(name="calls", meaning="Calls, by how they went.", labels={"how": ["well", "badly"]})


def total(how: str) -> int:
    return CALLS.totals(counters.counted())[(how,)]


def test_it_adds_up_and_knows_what_never_happened() -> None:
    CALLS.add("well", count=2)
    CALLS.add("well")

    counters.carry()

    assert CALLS.totals(counters.counted()) == {("well",): 3, ("badly",): 0}


def test_it_counts_a_delivery_once_whose_answer_was_lost() -> None:
    for _ in range(2):
        counters._deliver("a-delivery", Counts({"calls|badly": 4}))

    assert total("badly") == 4


def test_it_keeps_what_it_counted_while_redis_is_away(settings: Any) -> None:
    there, settings.REDIS_URL = settings.REDIS_URL, "redis://127.0.0.1:9/0"
    CALLS.add("well")
    with pytest.raises(redis.RedisError):
        counters.carry()
    counters.carry_at_the_end()
    CALLS.add("well")

    settings.REDIS_URL = there
    counters.carry()

    assert total("well") == 2


def test_it_leaves_to_a_parent_what_the_parent_counted() -> None:
    pending = counters._Pending()
    pending._counts["calls|well"] += 1

    pending.forget()
    pending.carry()

    assert total("well") == 0


@pytest.mark.parametrize("values", [(), ("well", "badly"), ("cus_9",)])
def test_it_refuses_to_count_by_what_it_does_not_know(values: tuple[str, ...]) -> None:
    """A label that a sender could choose would make a series for each of them."""
    with pytest.raises(AssertionError):
        CALLS.add(*values)
