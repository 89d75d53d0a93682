"""How often something may be tried: counted in Redis, against card testing, guessing and needless work. Decides nothing about money.

Where Redis does not answer, `spend` raises and so what moves money is refused; `may_read`, `exceeded` and `note` let reading go on.
"""

import logging
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv6Address, IPv6Network, ip_address

from django.http import HttpRequest
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.strategies import SlidingWindowCounterRateLimiter

from workspaces.api.limits import new_storage

logger = logging.getLogger(__name__)

IPV6_LINE_BITS = 64


class LimitReached(Exception):
    """Tried too often: to be answered with 429."""


class LimiterUnavailable(Exception):
    """Redis does not answer, so nobody can count: to be answered with 503."""


@dataclass(frozen=True)
class Limit:
    """So many tries per period for each key (a link, an address, a wallet)."""

    name: str
    item: RateLimitItem


CHECKOUTS_PER_LINK = Limit("checkouts-per-link", RateLimitItemPerHour(10))
CHECKOUTS_PER_ADDRESS = Limit("checkouts-per-address", RateLimitItemPerHour(20))
RETURNS_PER_LINK = Limit("returns-per-link", RateLimitItemPerMinute(10))
UNKNOWN_TOKENS_PER_ADDRESS = Limit("unknown-tokens-per-address", RateLimitItemPerMinute(30))
TOP_UPS_PER_WALLET = Limit("top-ups-per-wallet", RateLimitItemPerHour(30))
EXPORTS_PER_PERSON = Limit("exports-per-person", RateLimitItemPerMinute(10, 10))
AUTOMATIC_SAVES_PER_WALLET = Limit("automatic-payments-saves-per-wallet", RateLimitItemPerHour(20))
AUTOMATIC_TRIES_PER_WALLET = Limit("automatic-payments-tries-per-wallet", RateLimitItemPerHour(5))
WEBHOOK_CHANGES_PER_WORKSPACE = Limit("webhook-changes-per-workspace", RateLimitItemPerHour(60))
WEBHOOK_SENDS_PER_WORKSPACE = Limit("webhook-sends-per-workspace", RateLimitItemPerMinute(20))
MAILS_PER_WALLET = Limit("payment-link-mails-per-wallet", RateLimitItemPerHour(20))


def spend(limit: Limit, key: str) -> None:
    """Count one try. Raises: LimitReached once there were too many; LimiterUnavailable without Redis."""
    try:
        allowed = _limiter().hit(limit.item, limit.name, key)
    except StorageError as error:
        logger.exception("limits cannot be counted", extra={"limit": limit.name})
        raise LimiterUnavailable from error
    if not allowed:
        logger.warning("limit reached", extra={"limit": limit.name})
        raise LimitReached(limit.name)


def try_to_spend(limit: Limit, key: str) -> bool:
    """Count one try for what may be left out; False where there were too many, or nobody can count."""
    try:
        spend(limit, key)
    except (LimitReached, LimiterUnavailable):
        return False
    return True


def may_read(limit: Limit, key: str) -> bool:
    """Count one try of what only reads: False once there were too many; without Redis reading goes on."""
    try:
        spend(limit, key)
    except LimitReached:
        return False
    except LimiterUnavailable:
        return True
    return True


def exceeded(limit: Limit, key: str) -> bool:
    """Whether the tries are used up, without counting one; False without Redis."""
    try:
        return not _limiter().test(limit.item, limit.name, key)
    except StorageError:
        logger.exception("limits cannot be read", extra={"limit": limit.name})
        return False


def note(limit: Limit, key: str) -> None:
    """Count one try and refuse nothing; without Redis it goes uncounted."""
    try:
        _limiter().hit(limit.item, limit.name, key)
    except StorageError:
        logger.exception("a try goes uncounted", extra={"limit": limit.name})


def client_address(request: HttpRequest) -> str:
    """Who asks, as wallet_billing.middleware has settled it; of an IPv6 address the half that names the customer's line."""
    text = str(request.META.get("REMOTE_ADDR", ""))
    try:
        address = ip_address(text)
    except ValueError:
        return text  # Over a Unix socket there is no address.
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((address, IPV6_LINE_BITS), strict=False))
    return str(address)


@cache
def _limiter() -> SlidingWindowCounterRateLimiter:
    return SlidingWindowCounterRateLimiter(new_storage())
