"""The cache behind sign-in limits: Redis, and each process's own memory for the moments when Redis is away.

Limits get looser then (each process counts for itself), and nobody is locked out or shown an error. No money depends on it.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)
Result = TypeVar("Result")

# After a failure Redis is left alone for a moment, so that a hanging one does not slow every sign-in down.
PAUSE_SECONDS = 5.0


class ForgivingRedisCache(RedisCache):
    """Redis; where it fails, this process's memory."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._memory = LocMemCache("while-redis-is-away", {})
        self._away_until = 0.0

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> bool:
        return bool(self._either(lambda cache: cache.add(key, value, timeout=timeout, version=version), super()))

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        return self._either(lambda cache: cache.get(key, default=default, version=version), super())

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> None:
        self._either(lambda cache: cache.set(key, value, timeout=timeout, version=version), super())

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> bool:
        return bool(self._either(lambda cache: cache.touch(key, timeout=timeout, version=version), super()))

    def delete(self, key: Any, version: Any = None) -> bool:
        return bool(self._either(lambda cache: cache.delete(key, version=version), super()))

    def incr(self, key: Any, delta: int = 1, version: Any = None) -> int:
        return int(self._either(lambda cache: cache.incr(key, delta=delta, version=version), super()))

    def has_key(self, key: Any, version: Any = None) -> bool:
        return bool(self._either(lambda cache: cache.has_key(key, version=version), super()))

    def _either(self, act: Callable[[Any], Result], redis: Any) -> Result:
        if time.monotonic() < self._away_until:
            return act(self._memory)
        try:
            return act(redis)
        except RedisError as error:
            logger.warning("cache_unreachable", error=str(error))
            self._away_until = time.monotonic() + PAUSE_SECONDS
            return act(self._memory)
