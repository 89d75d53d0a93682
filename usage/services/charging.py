"""Prices uses and posts them: one lock statement, one look-up and one COPY each, whatever the number of events and wallets."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from usage import ingest
from usage.errors import RatingError
from usage.ingest import DaySum, EventRow, MonthKey
from usage.rating import Rate, Rated, RateTable, rate_use
from usage.services.budgets import spend_budgets
from usage.services.measuring import BadUse, Use, passes_free
from usage.services.prices import Prices, current_prices
from wallet.ledger import Entry, lock_wallets, post_new
from wallet.models import Account, Wallet
from wallet.money import MICROS
from wallet.services.automatic_charges import consider_charges
from wallet.services.holds import capture_holds
from wallet.services.standing import announce_standings

MONTH_CLOSES_AFTER = timedelta(days=1)
"""How long after its end a month still takes the reports of its last evening."""
AMOUNT_MAX_MICROS = 10_000_000 * MICROS
"""What costs more than this at once is a mistake in its quantity or its rate."""
DEBT_MAX_MICROS = 10**12 * MICROS
"""No wallet is charged further below zero: its sums must stay inside 64 bits."""

ALREADY_CHARGED = BadUse("repeated", "")
CONFLICT = BadUse("conflict", "This source and id was charged before with other content. Send corrections under an id of their own.")
HOLD_CHARGED = BadUse(
    "hold_charged",
    "What was used under this hold was charged before, by its capture or by another report. Report further uses without the hold.",
)
NO_WALLET = BadUse("no_wallet", "This workspace has no wallet. Open one, then replay this event.")
TOO_LARGE = BadUse("amount_too_large", "This would cost more than any one use can: its quantity, or the rate, must be wrong.")


def charge_uses(uses: Sequence[Use], *, api_key: str, taken_over: bool = False) -> dict[int, BadUse | None]:
    """Charge each use once; answers by its index: None where it was charged, ALREADY_CHARGED for a repeat, else why it can't be.

    `taken_over` books each at the end of its use, as though it had been charged then: for a book that was kept elsewhere.
    Runs inside the caller's transaction. Locks: wallets, in the order of their ids.
    Raises: ValueError where a use that is taken over ended before the newest row of its wallet's book.
    """
    if not uses:
        return {}
    wallets = lock_wallets(use.wallet_id for use in uses)
    # The locks are held, so nobody charges one of these meanwhile.
    charged = ingest.standing_contents([(use.wallet_id, use.key) for use in uses])
    batch = _Batch(wallets, uses, prices=current_prices(), api_key=api_key, taken_over=taken_over)
    outcomes: dict[int, BadUse | None] = {}
    for use in uses:
        content = charged.get((use.wallet_id, use.key))
        if content is None:
            outcomes[use.index] = fault = batch.add(use)
            if fault is None:
                charged[use.wallet_id, use.key] = use.content
        else:
            outcomes[use.index] = ALREADY_CHARGED if content == use.content else CONFLICT
    batch.write()
    return outcomes


class _Batch:
    """Collects what a batch writes, so that each table is written once."""

    def __init__(self, wallets: dict[int, Wallet], uses: Sequence[Use], *, prices: Prices, api_key: str, taken_over: bool) -> None:
        self.wallets, self.prices, self.api_key, self.taken_over = wallets, prices, api_key, taken_over
        self.calendar = _Calendar(timezone.now(), taken_over=taken_over)
        self.days: dict[ingest.DayKey, DaySum] = defaultdict(DaySum)
        self.months = _Months(uses, self.calendar, self.days)
        self.tables: dict[int, RateTable] = {}
        self.seqs = {pk: wallet.last_seq for pk, wallet in wallets.items()}
        self.balances = {pk: wallet.balance_micros for pk, wallet in wallets.items()}
        self.entries: dict[int, list[Entry]] = defaultdict(list)
        self.rows: list[EventRow] = []
        self.captured: dict[tuple[int, str], int] = {}
        self.charged_under = ingest.charged_under_holds([(use.wallet_id, use.hold_id) for use in uses if use.hold_id is not None])

    def add(self, use: Use) -> BadUse | None:
        """Price one use and take it into the batch; answers why not, where it has no price."""
        wallet = self.wallets.get(use.wallet_id)
        if wallet is None:
            return NO_WALLET
        if use.hold_id is not None and (use.wallet_id, use.hold_id, use.meter.key) in self.charged_under:
            # One use, told twice: by a capture and by an event, say. The second is for a person to look at.
            return HOLD_CHARGED
        rate = self._rate_of(use, wallet)
        if isinstance(rate, BadUse):
            return rate
        day, is_late = self.calendar.day_of(use)
        try:
            rated, used_before = self._rated(use, rate, day)
        except RatingError as error:
            return BadUse(error.code, str(error))
        balance_after = self.balances[use.wallet_id] - rated.amount_micros
        if rated.amount_micros > AMOUNT_MAX_MICROS or balance_after < -DEBT_MAX_MICROS:
            return TOO_LARGE
        self.balances[use.wallet_id] = balance_after
        self._record(use, rated, used_before=used_before, day=day, is_late=is_late)
        self._count(use, rated, day=day, is_late=is_late)
        return None

    def write(self) -> None:
        """Everything at once: transfers and sums, events, days, holds, budgets."""
        if not self.rows:
            return
        post_new(self.wallets, self.entries)
        ingest.copy_events(self.rows)
        ingest.add_to_days(self.days)
        capture_holds(self.wallets, self.captured)
        if not self.taken_over:
            # What was free sets nothing off: an idle wallet is never charged.
            paid_for = (pk for pk, entries in self.entries.items() if any(entry.amount_micros for entry in entries))
            consider_charges(self.wallets[pk] for pk in paid_for)
            announce_standings(self.wallets[wallet_id] for wallet_id in self.entries)
        spend_budgets(self.rows)

    def _rate_of(self, use: Use, wallet: Wallet) -> Rate | BadUse | None:
        """The rate in force at the event's own time; None where the use is free whatever a rate says."""
        if passes_free(use.meter, use.destination):
            return None
        table = self.tables.get(wallet.pk)
        if table is None:
            table = self.tables[wallet.pk] = self.prices.table(wallet.pk, currency=wallet.currency)
        rate = table.find(use.meter.key, destination=use.destination, at=use.happened_at)
        if rate is None:
            return BadUse(
                "no_rate", f"No rate for {use.meter.key} in {wallet.currency.upper()} was in force then. Add one, then replay this event."
            )
        return rate

    def _rated(self, use: Use, rate: Rate | None, day: date) -> tuple[Rated, int]:
        """The price, and the month's billed units before it where the rate has tiers."""
        if rate is None:
            return Rated(0, "", use.quantity, use.quantity, 0, 0), 0
        used_before = self.months.used_before(use, day) if rate.tiers else 0
        return rate_use(rate, quantity=use.quantity, used_this_month=used_before), used_before

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
                description=use.description,
                happened_at=use.happened_at,
                idempotency_key=self._ledger_key(use),
                posted_at=use.ended_at if self.taken_over else None,
            )
        )
        return self.seqs[use.wallet_id]

    def _ledger_key(self, use: Use) -> str:
        """The event's identity, after the day of booking: the keys of one day stand together in their index, so that a book of many
        years takes a new row as quickly as a new book. That no other day charges the event again is what usage_event's own key is for.
        """
        booked = use.ended_at if self.taken_over else self.calendar.now
        return f"event:{booked.astimezone(UTC):%Y%m%d}:{use.key}"

    def _record(self, use: Use, rated: Rated, *, used_before: int, day: date, is_late: bool) -> None:
        self.rows.append(
            EventRow(
                wallet_id=use.wallet_id,
                key=use.key,
                content=use.content,
                source=use.event.source,
                event_id=use.event.id,
                meter=use.meter.key,
                happened_at=use.happened_at,
                day=day,
                is_late=is_late,
                quantity=use.quantity,
                billed_quantity=rated.billed_quantity,
                rate_id=rated.rate_id or None,
                used_before=used_before,
                remainder=rated.remainder,
                amount_micros=rated.amount_micros,
                transfer_seq=self._enter(use, rated),
                hold_id=use.hold_id,
                agent=use.agent,
                number=use.destination,
                own_number=use.own_number,
                api_key=self.api_key,
            )
        )

    def _count(self, use: Use, rated: Rated, *, day: date, is_late: bool) -> None:
        total = self.days[use.wallet_id, day, use.meter.key, is_late]
        total.events += 1
        total.quantity += use.quantity
        total.billed_quantity += rated.billed_quantity
        self.months.add(use, day, rated.billed_quantity)
        total.amount_micros += rated.amount_micros
        if use.hold_id is not None:
            hold = (use.wallet_id, use.hold_id)
            self.captured[hold] = self.captured.get(hold, 0) + rated.amount_micros
            self.charged_under.add((*hold, use.meter.key))


class _Calendar:
    """Which day each use counts on, in its workspace's zone."""

    def __init__(self, now: datetime, *, taken_over: bool) -> None:
        self.now, self.taken_over = now, taken_over
        self.known: dict[ZoneInfo, tuple[date, date]] = {}

    def day_of(self, use: Use) -> tuple[date, bool]:
        """Its own day, or today where its month was closed, and whether it was: then it is late."""
        zone, day = use.zone, use.happened_at.astimezone(use.zone).date()
        if zone not in self.known:
            self.known[zone] = (self.now.astimezone(zone).date(), first_open_day(self.now, zone=zone))
        today, first_open = self.known[zone]
        return (today, True) if day < first_open and not self.taken_over else (day, False)


def first_open_day(now: datetime, *, zone: ZoneInfo) -> date:
    """The first day that still takes reports: a month is closed MONTH_CLOSES_AFTER its end in the workspace's zone."""
    return (now - MONTH_CLOSES_AFTER).astimezone(zone).date().replace(day=1)


class _Months:
    """Billed units of each meter so far in each month: read once for all of a batch, when the first rate with tiers is met."""

    def __init__(self, uses: Sequence[Use], calendar: _Calendar, days: Mapping[ingest.DayKey, DaySum]) -> None:
        self.uses, self.calendar, self.days = uses, calendar, days
        self.units: dict[MonthKey, int] = {}

    def used_before(self, use: Use, day: date) -> int:
        if not self.units:
            self._read()
        return self.units[use.wallet_id, use.meter.key, day.replace(day=1)]

    def add(self, use: Use, day: date, billed_quantity: int) -> None:
        """Every use of the meter counts, also one whose own rate has no tiers."""
        if self.units:
            self.units[use.wallet_id, use.meter.key, day.replace(day=1)] += billed_quantity

    def _read(self) -> None:
        self.units = ingest.billed_in_months({self._key(use) for use in self.uses})
        for (wallet_id, day, meter, _), total in self.days.items():
            self.units[wallet_id, meter, day.replace(day=1)] += total.billed_quantity

    def _key(self, use: Use) -> MonthKey:
        day, _ = self.calendar.day_of(use)
        return (use.wallet_id, use.meter.key, day.replace(day=1))
