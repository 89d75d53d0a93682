"""What a month would have been under other prices, or under another rule of automatic payments. Reads only: nothing is posted.

The month is gone through row by row as it was booked. A use that the money would not have covered is counted as stopped
and not charged, but for inbound ones, which go on into the overdraft; what would have run beside it is not known.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from usage.models import Event, RateCard
from usage.queries import month_after
from usage.rating import CardRates, Rate, RateTable, rate_use
from usage.services.measuring import passes_free
from usage.services.prices import Prices, Terms, current_prices
from wallet.automatic_rule import Cap, Charged, check_terms, size_charge
from wallet.automatic_rule import Terms as Rule
from wallet.models import Account, Kind, Transfer, Wallet
from wallet.queries import seqs_between

CHUNK_ROWS = 5_000
ROWS_MAX = 2_000_000
"""Longer months are not gone through while somebody waits."""

Progress = Callable[[int, int], None]


@dataclass
class Month:
    """What it came to; money in micros of the wallet's currency."""

    uses: int = 0
    charged_micros: int = 0
    stopped: int = 0
    stopped_micros: int = 0
    without_rate: int = 0
    paid_in_micros: int = 0
    automatic_charges: int = 0
    automatic_micros: int = 0
    capped_days: int = 0
    least_micros: int = 0
    ended_micros: int = 0


@dataclass(frozen=True)
class WhatIf:
    """The month as it was, and as it would have been."""

    was: Month
    would: Month


def simulate_month(
    wallet: Wallet,
    *,
    first_day: date,
    terms: Sequence[Terms] = (),
    rule: Rule | None = None,
    progress: Progress = lambda done, total: None,
) -> WhatIf:
    """Go through the month with these prices before the real ones, and with this rule in place of the real one.

    Without a rule the automatic payments of then are taken as they were. Raises: RuleInvalid; ValueError over ROWS_MAX.
    """
    if rule is not None:
        check_terms(rule, currency=wallet.currency)
    zone = wallet.workspace.zone
    since, until = (datetime.combine(day, time(), tzinfo=zone) for day in (first_day, month_after(first_day)))
    above, below = seqs_between(wallet, since=since, until=until)
    if below - above - 1 > ROWS_MAX:
        raise ValueError(f"This month has more than {ROWS_MAX:,} rows. Take a smaller workspace.")
    opening = _balance_after(wallet, seq=above)
    prices = _OtherPrices(wallet, terms, prices=current_prices(), at=since)
    was, would = _Walk(wallet, opening, rule=None, prices=None), _Walk(wallet, opening, rule=rule, prices=prices)
    for transfer, event in _rows(wallet, above=above, below=below, progress=progress):
        was.take(transfer, event)
        would.take(transfer, event)
    return WhatIf(was.month, would.month)


def _balance_after(wallet: Wallet, *, seq: int) -> int:
    row = Transfer.objects.filter(wallet=wallet, seq=seq).values_list("balance_after_micros", flat=True).first()
    return row or 0


def _rows(wallet: Wallet, *, above: int, below: int, progress: Progress) -> Iterator[tuple[Transfer, Event | None]]:
    """The wallet's rows between these, in the book's order, each with its use."""
    for start in range(above, below - 1, CHUNK_ROWS):
        chunk = (start + 1, min(start + CHUNK_ROWS, below - 1))
        transfers = Transfer.objects.filter(wallet=wallet, seq__range=chunk).order_by("seq")
        events = {
            event.transfer_seq: event for event in Event.objects.filter(wallet=wallet, transfer_seq__range=chunk).select_related("meter")
        }
        for transfer in transfers:
            yield transfer, events.get(transfer.seq)
        progress(chunk[1] - above, below - above - 1)


class _OtherPrices:
    """Prices as they were, with a sheet's before them."""

    def __init__(self, wallet: Wallet, terms: Sequence[Terms], *, prices: Prices, at: datetime) -> None:
        card = RateCard(currency=wallet.currency)
        sheet = [_as_rate(number, one, card, at=at) for number, one in enumerate(terms, start=1)]
        self._sheet = RateTable(own=CardRates(sheet), default=CardRates(())) if sheet else None
        self._real = prices.table(wallet.pk, currency=wallet.currency)
        self._used: dict[tuple[str, date], int] = defaultdict(int)

    def cost(self, event: Event) -> int | None:
        """What the use would have cost; None where no rate stands for it."""
        if passes_free(event.meter, event.number):
            return 0
        rate = self._find(event)
        if rate is None:
            return None
        key = (event.meter_id, event.day.replace(day=1))
        rated = rate_use(rate, quantity=event.quantity, used_this_month=self._used[key])
        self._used[key] += rated.billed_quantity
        return rated.amount_micros

    def _find(self, event: Event) -> Rate | None:
        meter, number, moment = event.meter_id, event.number, event.happened_at
        ours = self._sheet.find(meter, destination=number, at=moment) if self._sheet else None
        theirs = self._real.find(meter, destination=number, at=moment)
        if ours is None or (theirs is not None and len(theirs.prefix) > len(ours.prefix) and ours.meter == theirs.meter):
            # As on one card: the longer prefix wins, whichever list it is on.
            return theirs
        return ours


def _as_rate(number: int, terms: Terms, card: RateCard, *, at: datetime) -> Rate:
    """In force all month; its id names no row."""
    row = terms.as_rate(card, valid_from=at, valid_until=None)
    return Rate(
        id=-number,
        meter=terms.meter,
        prefix=terms.prefix,
        price_micros=row.price_micros,
        per_units=row.per_units,
        setup_fee_micros=row.setup_fee_micros,
        first_block=row.first_block,
        step=row.step,
        tiers=terms.tiers,
        valid_from=datetime.min.replace(tzinfo=at.tzinfo),
        valid_until=None,
    )


class _Walk:
    """One way through the month. Without prices or rule it is the month as it was."""

    def __init__(self, wallet: Wallet, opening_micros: int, *, rule: Rule | None, prices: _OtherPrices | None) -> None:
        self.wallet, self.rule, self.prices = wallet, rule, prices
        self.balance = opening_micros
        self.month = Month(least_micros=opening_micros, ended_micros=opening_micros)
        self._charged_on: dict[date, int] = defaultdict(int)
        self._capped: set[date] = set()

    def take(self, transfer: Transfer, event: Event | None) -> None:
        """The next row of the book."""
        if event is not None:
            self._use(transfer, event)
        elif transfer.credit == Account.WALLET:
            self._money_in(transfer)
        elif transfer.debit == Account.WALLET:
            self._spend(transfer.amount_micros)
        self.month.ended_micros = self.balance

    def _use(self, transfer: Transfer, event: Event) -> None:
        cost = self.prices.cost(event) if self.prices else transfer.amount_micros
        self.month.uses += 1
        if cost is None:
            self.month.without_rate += 1
            return
        if self.prices and self.balance < cost and not event.meter.use.is_inbound:
            self.month.stopped += 1
            self.month.stopped_micros += cost
        else:
            self._spend(cost)
            self.month.charged_micros += cost
        if self.rule is not None:
            self._charge_card(self.rule, transfer)

    def _spend(self, micros: int) -> None:
        """Noted at once: a charge to the card comes after the dip that it mends."""
        self.balance -= micros
        self.month.least_micros = min(self.month.least_micros, self.balance)

    def _money_in(self, transfer: Transfer) -> None:
        if transfer.kind == Kind.AUTOMATIC_PAYMENT:
            if self.rule is not None:
                return  # Another rule stands in its place.
            self.month.automatic_charges += 1
            self.month.automatic_micros += transfer.amount_micros
        else:
            self.month.paid_in_micros += transfer.amount_micros
        self.balance += transfer.amount_micros

    def _charge_card(self, rule: Rule, transfer: Transfer) -> None:
        """As though each charge succeeded at once."""
        if self.balance >= rule.threshold_micros:
            return
        day = transfer.posted_at.astimezone(self.wallet.workspace.zone).date()
        charged = Charged(month_micros=self.month.automatic_micros, today=self._charged_on[day])
        charge = size_charge(rule, expected_micros=self.balance, charged=charged, currency=self.wallet.currency)
        if isinstance(charge, Cap):
            self._capped.add(day)
            self.month.capped_days = len(self._capped)
            return
        self._charged_on[day] += 1
        self.month.automatic_charges += 1
        self.month.automatic_micros += charge
        self.balance += charge
