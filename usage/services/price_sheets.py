"""Price lists as CSV: written out, read back, compared with what is in force, and published whole or not at all.

Reading and comparing change nothing: that is the dry run. What a rate may be is models.Rate's to say.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from io import StringIO

from django.db import transaction
from django.db.models import Q, QuerySet

from usage.errors import LineFault, PricesChanged, PriceSheetInvalid, TermsInvalid
from usage.models import Meter, Rate, RateCard
from usage.rating import Tier
from usage.services.prices import RATES_MAX, Terms, end_rate, lock_prices, publish_rates
from wallet.money import MICROS, format_exact, plain_decimal
from workspaces.services.audit import record

COLUMNS = ("meter", "prefix", "price", "per_units", "setup_fee", "first_block", "step", "tiers")
CHARACTERS_MAX = 5_000_000
FAULTS_MAX = 100
"""The most lines that are named at once; a sheet with more is wrong as a whole."""
_DIGITS_MAX = 12
_NAME_SHOWN_MAX = 64
"""Of a cell that names nothing: a hundred such lines must not make a page of megabytes."""


@dataclass(frozen=True)
class RateChange:
    """One meter and prefix: what is in force and what the sheet says, in words; either may be empty."""

    meter: str
    prefix: str
    before: str
    after: str


@dataclass
class SheetDiff:
    """What publishing a sheet would do."""

    added: list[RateChange] = field(default_factory=list)
    changed: list[RateChange] = field(default_factory=list)
    same: int = 0
    not_named: list[RateChange] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Tells one comparison from another."""
        return sha256(repr(asdict(self)).encode()).hexdigest()


# ---------------------------------------------------------------- writing
def sheet_lines(card: RateCard, *, at: datetime) -> Iterator[str]:
    """The card's rates in force then as CSV, line by line. Reading it back changes nothing."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for rate in _in_force(card, at=at).iterator():
        writer.writerow(_cells(rate))
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _in_force(card: RateCard, *, at: datetime) -> "QuerySet[Rate]":
    standing = Rate.objects.filter(Q(valid_until=None) | Q(valid_until__gt=at), card=card, valid_from__lte=at)
    return standing.order_by("meter", "prefix")


def _cells(rate: Rate) -> tuple[str, ...]:
    tiers = "; ".join(f"{tier['up_to'] or ''}: {plain_decimal(tier['price_micros'])}".strip() for tier in rate.tiers)
    return (
        rate.meter_id,
        rate.prefix,
        plain_decimal(rate.price_micros),
        str(rate.per_units),
        plain_decimal(rate.setup_fee_micros),
        str(rate.first_block),
        str(rate.step),
        tiers,
    )


# ---------------------------------------------------------------- reading
def read_sheet(text: str) -> list[Terms]:
    """The rates of a sheet. Raises: PriceSheetInvalid with every line that is wrong, and nothing read."""
    if len(text) > CHARACTERS_MAX:
        raise PriceSheetInvalid([LineFault(1, f"The sheet is longer than {CHARACTERS_MAX:,} characters. Publish it in parts.")])
    reader = csv.DictReader(StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        return _rows(reader)
    except csv.Error as error:
        raise PriceSheetInvalid([LineFault(reader.line_num or 1, f"This is no CSV: {error}.")]) from error


def _rows(reader: "csv.DictReader[str]") -> list[Terms]:
    given = reader.fieldnames or ()
    missing = [name for name in ("meter", "price") if name not in given]
    unknown = [name for name in given if name not in COLUMNS]
    if missing or unknown or len(given) != len(set(given)):
        names = ", ".join(COLUMNS)
        raise PriceSheetInvalid(
            [LineFault(1, f"The first line must name the columns, each once: {names}. At least meter and price are needed.")]
        )
    known = set(Meter.objects.values_list("key", flat=True))
    terms: list[Terms] = []
    faults: list[LineFault] = []
    first_seen: dict[tuple[str, str], int] = {}
    for row in reader:
        line = reader.line_num
        try:
            one = _terms(row, known=known)
            before = first_seen.setdefault((one.meter, one.prefix), line)
            if before != line:
                raise ValueError(f"{one.meter} +{one.prefix} stands in line {before} already.")  # one list of faults
            terms.append(one)
        except ValueError as error:
            faults.append(LineFault(line, str(error)))
        if len(faults) >= FAULTS_MAX:
            break
    if not terms and not faults:
        faults.append(LineFault(2, "There is no rate in this sheet."))
    if len(terms) > RATES_MAX:
        faults.append(LineFault(RATES_MAX + 2, f"A sheet has at most {RATES_MAX:,} rates. Publish it in parts."))
    if faults:
        raise PriceSheetInvalid(faults)
    return terms


def _terms(row: dict[str, str], *, known: set[str]) -> Terms:
    """One line. Raises ValueError with what to write instead."""
    if None in row or None in row.values():
        raise ValueError(f"This line has not as many cells as the first one: {len(COLUMNS)} at most.")
    cells = {name: value.strip().removeprefix("'") for name, value in row.items()}
    if cells["meter"] not in known:
        raise ValueError(f"There is no meter {cells['meter'][:_NAME_SHOWN_MAX]!r}. There are: {', '.join(sorted(known))}.")
    prefix = cells.get("prefix", "").removeprefix("+")
    if not (prefix.isascii() and (prefix.isdecimal() or not prefix) and len(prefix) <= 15):
        raise ValueError(f"A prefix is the first digits of a number, as in 44 or 1212; not {prefix!r}.")
    terms = Terms(
        meter=cells["meter"],
        prefix=prefix,
        price_micros=_micros(cells["price"], name="price"),
        per_units=_whole(cells.get("per_units", ""), name="per_units"),
        setup_fee_micros=_micros(cells.get("setup_fee", "") or "0", name="setup_fee"),
        first_block=_whole(cells.get("first_block", ""), name="first_block"),
        step=_whole(cells.get("step", ""), name="step"),
        tiers=_tiers(cells.get("tiers", "")),
    )
    try:
        # Whatever else a rate must not say, such as tiers that go down, is said here with its line, and not once it is to be published.
        terms.as_rate(RateCard(), valid_from=datetime.now(UTC), valid_until=None)
    except TermsInvalid as error:
        raise ValueError(str(error)) from error
    return terms


def _micros(text: str, *, name: str) -> int:
    """An amount in the card's currency, exact to the micro."""
    whole, _, fraction = text.partition(".")
    is_plain = text.isascii() and whole.isdecimal() and len(whole) <= _DIGITS_MAX and (not fraction or fraction.isdecimal())
    if not is_plain or len(fraction) > 6:
        raise ValueError(f"{name} is an amount such as 0.0135, with at most six decimals; not {text!r}.")
    try:
        return int(Decimal(text) * MICROS)
    except InvalidOperation as error:
        raise ValueError(f"{name} is an amount such as 0.0135; not {text!r}.") from error


def _whole(text: str, *, name: str) -> int:
    if not text:
        return 1
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text)):
        raise ValueError(f"{name} is a whole number of units, 1 or more; not {text!r}.")
    return int(text)


def _tiers(text: str) -> tuple[Tier, ...]:
    """`1000: 0.010; : 0.008`: up to 1,000 units at the one price, all above at the other."""
    tiers = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        end, colon, price = part.partition(":")
        if not colon:
            raise ValueError("Tiers look like 1000: 0.010; : 0.008, and the last has no end.")
        tiers.append(
            Tier(up_to=_whole(end.strip(), name="tiers") if end.strip() else None, price_micros=_micros(price.strip(), name="tiers"))
        )
    return tuple(tiers)


# ---------------------------------------------------------------- comparing and publishing
def compare_sheet(card: RateCard, terms: Sequence[Terms], *, at: datetime) -> SheetDiff:
    """What would change at that moment; nothing does. `not_named` is in force and not in the sheet: it stays unless it is ended."""
    standing = {(rate.meter_id, rate.prefix): rate for rate in _in_force(card, at=at)}
    diff = SheetDiff()
    for one in terms:
        rate = standing.pop((one.meter, one.prefix), None)
        after = _in_words(one.as_rate(card, valid_from=at, valid_until=None), card.currency)
        before = _in_words(rate, card.currency) if rate is not None else ""
        if before == after:
            diff.same += 1
        else:
            (diff.changed if before else diff.added).append(RateChange(one.meter, one.prefix, before, after))
    diff.not_named = [RateChange(meter, prefix, _in_words(rate, card.currency), "") for (meter, prefix), rate in standing.items()]
    return diff


@transaction.atomic
def publish_sheet(
    card: RateCard, terms: Sequence[Terms], *, valid_from: datetime | None, ends_others: bool, reason: str, seen: str | None = None
) -> SheetDiff:
    """Put the sheet in force, all of it or nothing. `ends_others` ends, now, what the sheet does not name.

    `seen` is the digest of the comparison that somebody has agreed to. Locks: price version. Idempotent by: the terms.
    Raises: what publish_rates raises; PricesChanged where it would do something else by now; ValueError where others are
    to be ended and the sheet begins later: then they would be without a price until it does.
    """
    if ends_others and valid_from is not None:
        raise ValueError("Rates that the sheet does not name can be ended only by a sheet that is in force at once.")
    # Before it is compared: nobody changes prices between the comparison and what is done.
    now = lock_prices()
    diff = compare_sheet(card, terms, at=valid_from or now)
    if seen is not None and diff.digest != seen:
        raise PricesChanged
    publish_rates(card, terms=terms, valid_from=valid_from)
    if ends_others:
        named = {(one.meter, one.prefix) for one in terms}
        for rate in _in_force(card, at=now):
            if (rate.meter_id, rate.prefix) not in named:
                end_rate(rate.pk)
    record(
        "prices.published",
        workspace=card.workspace_id,
        target=str(card),
        after={"rates": len(terms), "from": str(valid_from or now), "ended": len(diff.not_named) if ends_others else 0},
        reason=reason,
        as_staff=True,
    )
    return diff


def _in_words(rate: Rate, currency: str) -> str:
    """One line that tells everything that a rate says."""
    words = f"{format_exact(rate.price_micros, currency=currency)} per {rate.per_units}"
    if rate.setup_fee_micros:
        words += f", set-up {format_exact(rate.setup_fee_micros, currency=currency)}"
    if (rate.first_block, rate.step) != (1, 1):
        words += f", {rate.first_block}/{rate.step}"
    for tier in rate.tiers:
        words += f", up to {tier['up_to'] or '∞'}: {format_exact(tier['price_micros'], currency=currency)}"
    return words
