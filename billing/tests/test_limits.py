"""Limits: counted in Redis, closed without it for what moves money, open for reading."""

import pytest
from django.test import RequestFactory
from limits import RateLimitItemPerMinute

from billing.limits import Limit, LimiterUnavailable, LimitReached, client_address, exceeded, may_read, note, spend, try_to_spend

TWICE = Limit("twice", RateLimitItemPerMinute(2))


def test_it_refuses_the_third_of_two() -> None:
    spend(TWICE, "a")
    spend(TWICE, "a")

    with pytest.raises(LimitReached):
        spend(TWICE, "a")
    assert not try_to_spend(TWICE, "a")
    assert exceeded(TWICE, "a")
    assert not exceeded(TWICE, "b")
    assert not may_read(TWICE, "a")
    assert may_read(TWICE, "b")


def test_it_counts_what_it_only_notes() -> None:
    note(TWICE, "a")
    assert not exceeded(TWICE, "a")

    note(TWICE, "a")

    assert exceeded(TWICE, "a")


@pytest.mark.usefixtures("no_redis")
def test_it_closes_without_redis_and_lets_reading_go_on() -> None:
    with pytest.raises(LimiterUnavailable):
        spend(TWICE, "a")
    assert not try_to_spend(TWICE, "a")
    assert not exceeded(TWICE, "a")
    assert may_read(TWICE, "a")
    note(TWICE, "a")


@pytest.mark.parametrize(
    ("address", "known_as"),
    [("203.0.113.7", "203.0.113.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("::ffff:203.0.113.7", "203.0.113.7"), ("", "")],
)
def test_it_knows_a_caller_by_line(address: str, known_as: str) -> None:
    assert client_address(RequestFactory().get("/", REMOTE_ADDR=address)) == known_as
