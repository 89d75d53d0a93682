"""Explain this charge: every step from what was measured to what was charged, in words and whole numbers. Reads only.

The sum that is written out is the very one that usage.rating did: from the event's row and the rate that it names.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from billing.history import Row, rows_of
from billing.quantities import MINUTE_SECONDS, SECOND, counted
from usage.event_queries import event_of_row
from usage.models import Event, Rate
from usage.numbers import readable_numbers
from usage.rating import Tier, tier_parts
from wallet.models import Account, Hold, Origin, Transfer, Wallet
from wallet.money import currency_of, format_exact

MICRO_DIGITS = 6
_ORIGINS = {
    Origin.MANUAL: "Add Balance",
    Origin.PAYMENT_LINK: "A payment link",
    Origin.AUTOMATIC: "Automatic payment",
}


@dataclass(frozen=True)
class Fact:
    """One line: `text` in words, or `when` it was; `is_code` for what is to be copied, `is_sum` for the sum written out."""

    label: str
    text: str = ""
    when: datetime | None = None
    is_code: bool = False
    is_sum: bool = False
    receipt: str = ""
    search: str = ""
    """What to search the history by for more of the same."""


@dataclass(frozen=True)
class Explanation:
    """A row of the history and what there is to say of it."""

    row: Row
    facts: list[Fact]
    notes: list[str]


def explanation(wallet: Wallet, transfer: Transfer) -> Explanation:
    """Why the row has its amount, and where it came from."""
    (row,) = rows_of(wallet, [transfer])
    event = event_of_row(wallet, transfer.seq) if transfer.credit == Account.USAGE_REVENUE else None
    facts = _UseFacts(wallet, transfer, event).all() if event else _money_facts(row)
    notes = [_late_note(event)] if event is not None and event.is_late else []
    return Explanation(row, [*facts, *_book_facts(wallet, row)], notes)


def _late_note(event: Event) -> str:
    return (
        f"Reported after its month was closed, so that it counts as an adjustment in {event.day:%B %Y}. The price is that of its own time."
    )


def _money_facts(row: Row) -> Iterator[Fact]:
    top_up = row.top_up
    if top_up is not None:
        yield Fact("Asked for by", _ORIGINS[Origin(top_up.origin)])
        if top_up.paid_with:
            yield Fact("Paid with", top_up.paid_with)
        if top_up.receipt_number:
            yield Fact("Receipt", top_up.receipt_number, receipt=top_up.receipt_number)


def _book_facts(wallet: Wallet, row: Row) -> Iterator[Fact]:
    transfer, currency = row.transfer, wallet.currency
    if transfer.promotion_micros and transfer.promotion_micros != transfer.amount_micros:
        paid_micros = transfer.amount_micros - transfer.promotion_micros
        given, paid = (format_exact(micros, currency=currency) for micros in (transfer.promotion_micros, paid_micros))
        yield Fact("Paid from", f"{given} of credit given to you, {paid} of balance you paid for")
    elif transfer.promotion_micros and not row.incoming:
        yield Fact("Paid from", "Credit given to you")
    yield Fact("Happened", when=transfer.happened_at)
    yield Fact("Booked", when=transfer.posted_at)
    before, after = (format_exact(micros, currency=currency) for micros in (row.balance_before_micros, transfer.balance_after_micros))
    yield Fact("Balance", f"{before} before, {after} after")
    yield Fact("Reference", transfer.reference, is_code=True)
    yield Fact("Entry", f"#{transfer.seq}")


class _UseFacts:
    """What was measured, priced and billed of one use."""

    def __init__(self, wallet: Wallet, transfer: Transfer, event: Event) -> None:
        self.wallet, self.transfer, self.event = wallet, transfer, event
        self.unit: str = event.meter.unit

    def all(self) -> Iterator[Fact]:
        """In the order in which the charge came about."""
        yield Fact("Measured", self._measured())
        if self.event.rate is None:
            yield Fact("Price", "Free. Emergency numbers cost nothing, whatever the price list says.")
        else:
            yield from self._price(self.event.rate)
        yield from self._hold()
        yield from self._who()
        yield Fact("Event", self.event.event_id, is_code=True)
        yield Fact("Source", self.event.source, is_code=True)

    def _measured(self) -> str:
        quantity = self.event.quantity
        if not quantity and self.unit == SECOND:
            return "Not answered: nothing is charged"
        told = counted(quantity, self.unit)
        if self.unit != SECOND or quantity < MINUTE_SECONDS:
            return told
        minutes, seconds = divmod(quantity, MINUTE_SECONDS)
        return f"{told} ({minutes:,} min {seconds:02d} s)"

    def _price(self, rate: Rate) -> Iterator[Fact]:
        yield Fact("Price", f"{self._price_text(rate)}, {'your own price' if rate.card.workspace_id else 'standard price'}")
        if self.event.number or rate.prefix:
            yield Fact("Matched", self._matched(rate))
        yield Fact("Billed by", _blocks(rate, self.unit))
        if rate.tiers:
            yield Fact("This month before", counted(self.event.used_before, self.unit))
        yield Fact("Billed", counted(self.event.billed_quantity, self.unit))
        if self.event.quantity:
            yield Fact("Sum", self._sum(rate), is_sum=True)
            yield Fact("Rounding", self._rounding(rate))

    def _price_text(self, rate: Rate) -> str:
        if not rate.tiers:
            price = f"{self._money(rate.price_micros)} {_per(rate, self.unit)}"
        else:
            price = f"by the month’s use, {_per(rate, self.unit)}: " + ", ".join(self._tier(tier) for tier in _tiers(rate))
        return f"{price} and {self._money(rate.setup_fee_micros)} set-up" if rate.setup_fee_micros else price

    def _tier(self, tier: Tier) -> str:
        price = self._money(tier.price_micros)
        return f"{price} after that" if tier.up_to is None else f"{price} up to {tier.up_to:,}"

    def _matched(self, rate: Rate) -> str:
        number = readable_numbers(self.event.number)
        if not rate.prefix:
            return f"{number or 'No number'}: the price for every number without one of its own"
        return f"+{rate.prefix}, the longest beginning of {number} that has a price"

    def _sum(self, rate: Rate) -> str:
        if rate.tiers:
            parts = tier_parts(_tiers(rate), start=self.event.used_before, units=self.event.billed_quantity)
        else:
            parts = iter([(self.event.billed_quantity, rate.price_micros)])
        terms = [f"{counted(units, self.unit)} × {self._money(price)} {_per(rate, self.unit)}" for units, price in parts]
        if rate.setup_fee_micros:
            terms.append(f"set-up {self._money(rate.setup_fee_micros)}")
        return f"{' + '.join(terms)} = {self._in_full(self.event.amount_micros)}"

    def _rounding(self, rate: Rate) -> str:
        """What the one rounding did, as a fraction: nothing here may round again."""
        dropped = Fraction(self.event.remainder, rate.per_units)
        if not dropped:
            return "None: the sum is exact"
        micro = self._in_full(1)
        return f"Half up at {micro}: the exact sum is {abs(dropped)} of {micro} {'more' if dropped > 0 else 'less'}"

    def _hold(self) -> Iterator[Fact]:
        if self.event.hold_id is None:
            return
        hold = Hold.objects.filter(wallet=self.wallet, id=self.event.hold_id).first()
        if hold is None:
            return
        held, charged = self._money(hold.amount_micros), self._money(hold.captured_micros)
        if hold.status != Hold.Status.CAPTURED:
            words = f"{held} was set aside before, and had been given back ({hold.status}) when this was reported"
        elif hold.captured_micros <= hold.amount_micros:
            words = f"{held} was set aside before, {charged} charged, {self._money(hold.amount_micros - hold.captured_micros)} given back"
        else:
            words = f"{held} was set aside before, {charged} charged: {self._money(hold.captured_micros - hold.amount_micros)} more"
        yield Fact("Hold", words)

    def _who(self) -> Iterator[Fact]:
        event = self.event
        if event.agent:
            yield Fact("Agent", event.agent, search=event.agent)
        if event.number:
            yield Fact("From" if event.meter.use.is_inbound else "To", readable_numbers(event.number), search=event.number)
        if event.own_number:
            yield Fact("Your number", readable_numbers(event.own_number), search=event.own_number)

    def _money(self, micros: int) -> str:
        return format_exact(micros, currency=self.wallet.currency)

    def _in_full(self, micros: int) -> str:
        """With all six decimals, as a sum is compared by eye."""
        written = self._money(micros)
        if not currency_of(self.wallet.currency).minor_digits and "." not in written:
            written += "."
        return written + "0" * (MICRO_DIGITS - len(written.partition(".")[2]))


def _tiers(rate: Rate) -> tuple[Tier, ...]:
    return tuple(Tier(tier["up_to"], tier["price_micros"]) for tier in rate.tiers)


def _per(rate: Rate, unit: str) -> str:
    return f"per {counted(rate.per_units, unit)}" if rate.per_units != 1 or unit == SECOND else f"per {unit}"


def _blocks(rate: Rate, unit: str) -> str:
    """`The first 30 s whole, then every 6 s begun`."""
    if rate.first_block == rate.step == 1:
        return f"Each {unit}"
    if rate.first_block == rate.step:
        return f"Every {counted(rate.step, unit)} begun"
    return f"The first {counted(rate.first_block, unit)} whole, then every {counted(rate.step, unit)} begun"
