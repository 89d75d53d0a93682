"""How many requests a key may send: counted in Redis per key and policy, in fixed windows, with one round trip each.

The headers tell exactly what is counted (draft-ietf-httpapi-ratelimit-headers). Around the turn of a window up to twice
the quota can pass at once; the limit is against runaway clients, not what money rests on.

Without Redis nobody can count. Reading and reports of use then go on uncounted: a use that happened must not be lost.
What makes payments possible is refused with 503, as it is what card testers are after.
"""

import math
import time
from dataclasses import dataclass
from functools import cache

import redis
import structlog
from django.conf import settings
from limits.errors import StorageError
from limits.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.retry import Retry

from workspaces.api.problems import RateLimited, Unavailable

logger = structlog.get_logger(__name__)

REDIS_TIMEOUT_SECONDS = 0.5
PAUSE_SECONDS = 5.0
"""After a failure Redis is left alone for a moment, so that a hanging one does not slow every request down."""

_away_until = 0.0


@dataclass(frozen=True)
class Policy:
    """So many requests per key in each window; `fails_open` says what happens while nobody can count."""

    name: str
    quota: int
    window_seconds: int
    fails_open: bool = True

    @property
    def header(self) -> str:
        return f'"{self.name}";q={self.quota};w={self.window_seconds}'


REQUESTS = Policy("requests", quota=6_000, window_seconds=60)
USE = Policy("use", quota=120_000, window_seconds=60)
"""For reports of use, holds and the gate: an event each, or a batch of a thousand."""
PAYMENTS = Policy("payments", quota=300, window_seconds=60, fails_open=False)


def count_request(policy: Policy, *, key: str) -> dict[str, str]:
    """Count one request; the headers that tell how many are left, none where nobody can count.

    Raises: RateLimited; Unavailable where the policy fails closed and Redis does not answer.
    """
    now = time.time()
    rest_seconds = math.ceil(policy.window_seconds - now % policy.window_seconds)
    used = _count(f"{policy.name}/{key}/{int(now // policy.window_seconds)}", seconds=policy.window_seconds)
    if used is None:
        if policy.fails_open:
            return {}
        raise Unavailable(retry_after_seconds=math.ceil(PAUSE_SECONDS))
    headers = {
        "RateLimit-Policy": policy.header,
        "RateLimit": f'"{policy.name}";r={max(policy.quota - used, 0)};t={rest_seconds}',
    }
    if used > policy.quota:
        refusal = RateLimited(retry_after_seconds=rest_seconds)
        refusal.headers |= headers
        raise refusal
    return headers


def _count(name: str, *, seconds: int) -> int | None:
    """How many there were in this window, with this one; None while Redis is away."""
    global _away_until
    if time.monotonic() < _away_until:
        return None
    try:
        return storage().incr(f"api/{name}", expiry=seconds)
    except StorageError as error:
        logger.warning("api_requests_uncounted", error=str(error))
        _away_until = time.monotonic() + PAUSE_SECONDS
        return None


@cache
def storage() -> RedisStorage:
    """Where the API's requests are counted; one pool of connections for the process."""
    return new_storage()


def new_storage() -> RedisStorage:
    """Redis as every limit asks it: once, and not waited for long. The pay pages count in it too."""
    pool = redis.ConnectionPool.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return RedisStorage(settings.REDIS_URL, connection_pool=pool, key_prefix="limits", wrap_exceptions=True)
