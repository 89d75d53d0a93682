"""Prices uses and posts them: one lock statement, one look-up and one COPY each, whatever the number of events and wallets."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from usage import ingest
from usage.errors import RatingError
from usage.ingest import DaySum, EventRow
from usage.queries import month_after
from usage.rating import Rate, Rated, is_emergency, rate_use
from usage.services.budgets import spend_budgets
from usage.services.descriptions import describe
from usage.services.measuring import BadUse, Use
from usage.services.prices import Prices, current_prices
from wallet.ledger import Entry, lock_wallets, post_new
from wallet.models import Account, Wallet
from wallet.services.holds import capture_holds

MONTH_CLOSES_AFTER = timedelta(days=1)
"""How long after its end a month still takes the reports of its last evening."""

ALREADY_CHARGED = BadUse("repeated", "")


def charge_uses(uses: Sequence[Use], *, api_key: str) -> dict[int, BadUse | None]:
    """Charge each use once; answers by its index: None where it was charged, ALREADY_CHARGED for a repeat, else why it can't be.

    Runs inside the caller's transaction. Locks: wallets, in the order of their ids.
    """
    if not uses:
        return {}
    wallets = lock_wallets(use.wallet_id for use in uses)
    outcomes: dict[int, BadUse | None] = {}
    fresh = _fresh(uses, outcomes)
    batch = _Batch(wallets, current_prices(), api_key=api_key)
    for use in fresh:
        outcomes[use.index] = batch.add(use)
    batch.write()
    return outcomes


def _fresh(uses: Sequence[Use], outcomes: dict[int, BadUse | None]) -> list[Use]:
    """The uses that were never charged. The wallets' locks are held, so nobody charges one of them meanwhile."""
    seen = ingest.standing_contents([(use.wallet_id, use.key) for use in uses])
    fresh = []
    for use in uses:
        identity = (use.wallet_id, use.key)
        content = seen.get(identity)
        if content is None:
            seen[identity] = use.content
            fresh.append(use)
        elif content == use.content:
            outcomes[use.index] = ALREADY_CHARGED
        else:
            outcomes[use.index] = BadUse(
                "conflict", "This source and id was charged before with other content. Send corrections under an id of their own."
            )
    return fresh


class _Batch:
    """Collects what a batch writes, so that each table is written once."""

    def __init__(self, wallets: dict[int, Wallet], prices: Prices, *, api_key: str) -> None:
        self.wallets, self.prices, self.api_key = wallets, prices, api_key
        self.now = timezone.now()
        self.seqs = {pk: wallet.last_seq for pk, wallet in wallets.items()}
        self.entries: dict[int, list[Entry]] = defaultdict(list)
        self.rows: list[EventRow] = []
        self.charged: list[tuple[Use, int]] = []
        self.days: dict[ingest.DayKey, DaySum] = defaultdict(DaySum)
        self.captured: dict[int, dict[str, int]] = defaultdict(dict)
        self.months = _Months()

    def add(self, use: Use) -> BadUse | None:
        """Price one use and take it into the batch; answers why not, where it has no price."""
        rate = self._rate_of(use)
        if isinstance(rate, BadUse):
            return rate
        day, is_late = self._day_of(use)
        try:
            rated, used_before = self._rated(use, rate, day)
        except RatingError as error:
            return BadUse(error.code, str(error))
        self._record(use, rated, used_before=used_before)
        self._count(use, rated, day=day, is_late=is_late)
        self.charged.append((use, rated.amount_micros))
        if use.hold_id is not None:
            held = self.captured[use.wallet_id]
            held[use.hold_id] = held.get(use.hold_id, 0) + rated.amount_micros
        return None

    def write(self) -> None:
        """Everything at once: transfers and sums, events, days, holds, budgets."""
        post_new(self.wallets, self.entries)
        ingest.copy_events(self.rows)
        ingest.add_to_days(self.days)
        for wallet_id, captured in self.captured.items():
            capture_holds(self.wallets[wallet_id], captured)
        spend_budgets(self.charged, api_key=self.api_key)

    def _rate_of(self, use: Use) -> Rate | BadUse | None:
        """The rate in force at the event's own time; None where the use is free whatever a rate says."""
        if use.meter.use.is_free or is_emergency(use.destination):
            return None
        wallet = self.wallets[use.wallet_id]
        rate = self.prices.table(wallet.pk, currency=wallet.currency).find(use.meter.pk, destination=use.destination, at=use.happened_at)
        if rate is None:
            return BadUse(
                "no_rate", f"No rate for {use.meter.pk} in {wallet.currency.upper()} was in force then. Add one, then replay this event."
            )
        return rate

    def _rated(self, use: Use, rate: Rate | None, day: date) -> tuple[Rated, int]:
        """The price, and the month's billed units before it where the rate has tiers."""
        if rate is None:
            return Rated(0, "", use.quantity, use.quantity, 0, 0), 0
        if not rate.tiers:
            return rate_use(rate, quantity=use.quantity), 0
        used_before = self.months.used_before(use, day)
        rated = rate_use(rate, quantity=use.quantity, used_this_month=used_before)
        self.months.add(use, day, rated.billed_quantity)
        return rated, used_before

    def _enter(self, use: Use, rated: Rated) -> int | None:
        """The seq of the transfer that will be posted; None for lab use, which never reaches the ledger."""
        if use.meter.use.is_free:
            return None
        self.seqs[use.wallet_id] += 1
        self.entries[use.wallet_id].append(
            Entry(
                debit=Account.WALLET,
                credit=Account.USAGE_REVENUE,
                amount_micros=rated.amount_micros,
                kind=use.meter.kind,
                reference=use.key,
                description=describe(use),
                happened_at=use.happened_at,
                idempotency_key=f"event:{use.key}",
            )
        )
        return self.seqs[use.wallet_id]

    def _record(self, use: Use, rated: Rated, *, used_before: int) -> None:
        self.rows.append(
            EventRow(
                wallet_id=use.wallet_id,
                key=use.key,
                content=use.content,
                source=use.event.source,
                event_id=use.event.id,
                meter=use.meter.pk,
                happened_at=use.happened_at,
                quantity=use.quantity,
                billed_quantity=rated.billed_quantity,
                rate_id=rated.rate_id or None,
                used_before=used_before,
                remainder=rated.remainder,
                amount_micros=rated.amount_micros,
                transfer_seq=self._enter(use, rated),
                hold_id=use.hold_id,
                agent=use.event.data.agent,
                number=use.destination,
                own_number=use.own_number,
            )
        )

    def _count(self, use: Use, rated: Rated, *, day: date, is_late: bool) -> None:
        total = self.days[(use.wallet_id, day, use.meter.pk, is_late)]
        total.events += 1
        total.quantity += use.quantity
        total.billed_quantity += rated.billed_quantity
        total.amount_micros += rated.amount_micros

    def _day_of(self, use: Use) -> tuple[date, bool]:
        """The day it counts on, in the workspace's zone: its own, or today where its month was closed."""
        day = use.happened_at.astimezone(use.zone).date()
        return (self.now.astimezone(use.zone).date(), True) if is_closed(day, now=self.now, zone=use.zone) else (day, False)


def is_closed(day: date, *, now: datetime, zone: ZoneInfo) -> bool:
    """Whether the day's month takes no more reports: it ended more than MONTH_CLOSES_AFTER ago, in the workspace's zone."""
    open_since = (now - MONTH_CLOSES_AFTER).astimezone(zone).date()
    return (day.year, day.month) < (open_since.year, open_since.month)


class _Months:
    """Billed units of tiered meters so far in each month: read once, then counted along with the batch."""

    def __init__(self) -> None:
        self.units: dict[tuple[int, str, date], int] = {}

    def used_before(self, use: Use, day: date) -> int:
        month = day.replace(day=1)
        key = (use.wallet_id, use.meter.pk, month)
        if key not in self.units:
            self.units |= ingest.billed_in_month([(*key, month_after(month))])
        return self.units[key]

    def add(self, use: Use, day: date, billed_quantity: int) -> None:
        self.units[(use.wallet_id, use.meter.pk, day.replace(day=1))] += billed_quantity
