"""Redis away: what counts tries goes on in this process's memory, and nothing fails."""

import time
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client

from workspaces.models import User

NOBODY_LISTENS = "redis://127.0.0.1:9/0"


@pytest.fixture
def redis_away(settings: Any) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": NOBODY_LISTENS, "KEY_PREFIX": f"away{time.monotonic_ns()}"}}


def test_it_counts_on_while_redis_is_away(redis_away: None) -> None:
    cache = caches["default"]

    assert cache.get("tries", 0) == 0
    cache.set("tries", 1, 60)
    assert cache.incr("tries") == 2
    assert cache.add("tries", 9) is False
    assert cache.touch("tries", 60) is True
    assert cache.has_key("tries") is True
    assert cache.delete("tries") is True
    assert cache.get("tries") is None


def test_it_counts_in_redis_when_it_is_there() -> None:
    cache = caches["default"]
    cache.set("tries", 1, 60)

    assert cache.incr("tries") == 2
    assert caches.create_connection("default").get("tries") == 2, "seen from another connection"


def test_it_leaves_a_dead_redis_alone_for_a_moment(redis_away: None, monkeypatch: pytest.MonkeyPatch) -> None:
    cache: Any = caches["default"]
    cache.get("anything")
    asked = []
    monkeypatch.setattr("django.core.cache.backends.redis.RedisCache.get", lambda *args, **kwargs: asked.append(args))

    cache.get("anything")

    assert asked == []


@pytest.mark.django_db
def test_it_still_limits_sign_in_while_redis_is_away(redis_away: None) -> None:
    user = User.objects.create_user("alice@northside.example", "correct horse battery")
    answers = [Client().post("/accounts/login/", {"login": user.email, "password": "wrong password"}).content.decode() for _ in range(8)]

    assert "Too many failed login attempts" not in answers[0]
    assert "Too many failed login attempts" in answers[-1]
