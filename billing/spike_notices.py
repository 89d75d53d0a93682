"""Mails owner and admins when a day costs far more than usual: billing.spikes' rule, over every wallet that was used of late."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from billing.spikes import LOOKBACK, spikes
from usage.day_queries import spent_by_wallet, wallets_used
from wallet.models import Notice, Wallet
from wallet.services.notices import notify_admins

WALLETS_AT_ONCE = 500
DAY = timedelta(days=1)


def tell_of_spikes(*, now: datetime | None = None) -> None:
    """Once for each day and workspace; yesterday too, as its last hour may have been the wild one. Idempotent by: the day.

    Two queries for every WALLETS_AT_ONCE wallets with use.
    """
    now = now or timezone.now()
    # Zones are up to a day away from this one on either side.
    used = wallets_used(since=now.date() - 2 * DAY, until=now.date() + 2 * DAY)
    for first in range(0, len(used), WALLETS_AT_ONCE):
        _tell(used[first : first + WALLETS_AT_ONCE], now=now)


def _tell(wallet_ids: Sequence[int], *, now: datetime) -> None:
    wallets = Wallet.objects.filter(pk__in=wallet_ids, closed_at=None).select_related("workspace")
    spent = spent_by_wallet(wallet_ids, since=now.date() - 2 * DAY - LOOKBACK, until=now.date() + 2 * DAY)
    for wallet in wallets:
        today = now.astimezone(wallet.workspace.zone).date()
        for spike in spikes(spent[wallet.pk], since=today - DAY, currency=wallet.currency):
            facts = {"spent_micros": spike.spent_micros, "usual_micros": spike.usual_micros}
            notify_admins(wallet.pk, kind=Notice.Kind.USAGE_SPIKE, reference=spike.day.isoformat(), facts=facts)
