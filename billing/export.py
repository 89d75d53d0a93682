"""The history as CSV, row by row: constant memory for any length, exact amounts, and no cell that a spreadsheet would run.

UTF-8 with a byte order mark, without which Excel takes it for something else; lines end in CR LF, as RFC 4180 says.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.text import slugify

from billing.history import Query, Row, rows_of
from billing.history_search import Search, found_page
from usage.event_queries import events_of_rows
from usage.models import Event
from wallet.csv_text import Cells, as_csv
from wallet.models import Transfer, Wallet
from wallet.money import plain_decimal

ROWS_MAX = 5_000_000
"""The most rows of one file: a quarter of an hour's work for a worker with nothing else to do. A last line says how to get the rest."""
ROWS_AT_ONCE = 500
NAME_MAX = 60

COLUMNS: Final = (
    "booked_at",
    "happened_at",
    "kind",
    "description",
    "number",
    "agent",
    "amount",
    "currency",
    "balance_after",
    "reference",
    "entry",
)
BYTE_ORDER_MARK = "\ufeff"
RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a cell must not begin with: programs take it for a formula (OWASP, CSV injection)."""


@dataclass(frozen=True)
class Sheet:
    """A kind of file: its columns, and what rows of the ledger, newest first, become in it."""

    name: str
    columns: Sequence[str]
    lines: Callable[[Wallet, list[Transfer], ZoneInfo], Iterable[Cells]]


@dataclass(frozen=True)
class Piece:
    """Some lines of a file. `next_before` asks for those after them; None where it ends."""

    text: str
    rows: int
    next_before: int | None


def csv_lines(wallet: Wallet, query: Query, *, sheet: Sheet, zone: ZoneInfo) -> Iterator[str]:
    """The file, a piece at a time, newest first: the rows that the page would show for the same query.

    The book only grows at its end, so that walking down it page by page sees every row once, whatever is booked meanwhile.
    """
    yield heading_of(sheet.columns)
    written, before, search = 0, wallet.last_seq + 1, query.search(zone=zone)
    while True:
        piece = next_piece(wallet, search, sheet=sheet, before=before, written=written, zone=zone)
        yield piece.text
        if piece.next_before is None:
            return
        written, before = written + piece.rows, piece.next_before


def heading_of(columns: Sequence[str]) -> str:
    """What a file begins with."""
    return BYTE_ORDER_MARK + as_csv([columns])


def next_piece(wallet: Wallet, search: Search, *, sheet: Sheet, before: int, written: int, zone: ZoneInfo) -> Piece:
    """The lines of the next rows below `before`; after ROWS_MAX of them, all told, one that says so ends the file."""
    page = found_page(wallet, search, before_seq=before, limit=min(ROWS_AT_ONCE, ROWS_MAX - written))
    lines = list(sheet.lines(wallet, page.transfers, zone))
    text = as_csv(lines)
    if page.next_before_seq is not None and written + len(lines) >= ROWS_MAX:
        return Piece(text + as_csv([_not_complete(page.transfers[-1], sheet, zone)]), len(lines), None)
    return Piece(text, len(lines), page.next_before_seq)


def file_name(wallet: Wallet, query: Query, *, sheet: Sheet, zone: ZoneInfo) -> str:
    """`northside-realty-transactions-2026-11-01-to-2026-11-21.csv`: the workspace and the period, both days included."""
    name = slugify(wallet.workspace.name)[:NAME_MAX].strip("-") or wallet.workspace.public_id
    first = query.first_day or timezone.localtime(wallet.created_at, zone).date()
    today: date = timezone.localtime(timezone=zone).date()
    last = query.last_day or today
    return f"{name}-{sheet.name}-{min(first, last)}-to-{last}.csv"


def defused(text: str) -> str:
    """The text as a cell that stays text: with a quote before it where it begins as a formula does, a telephone number's plus included."""
    return f"'{text}" if text.startswith(RUN_BY_SPREADSHEETS) else text


def local_times(zone: ZoneInfo, *moments: datetime) -> list[str]:
    """Each moment in that zone, as ISO 8601."""
    return [timezone.localtime(moment, zone).isoformat(timespec="seconds") for moment in moments]


def _transaction_lines(wallet: Wallet, transfers: list[Transfer], zone: ZoneInfo) -> Iterator[Cells]:
    events = events_of_rows(wallet, [transfer.seq for transfer in transfers])
    return (_cells(row, events.get(row.transfer.seq), wallet.currency, zone) for row in rows_of(wallet, transfers))


TRANSACTIONS = Sheet("transactions", COLUMNS, _transaction_lines)


def _cells(row: Row, event: Event | None, currency: str, zone: ZoneInfo) -> Cells:
    """Amounts are our own digits and stay numbers, the negative ones too; everything that was ever typed is defused."""
    transfer = row.transfer
    return (
        *local_times(zone, transfer.posted_at, transfer.happened_at),
        transfer.kind,
        defused(transfer.description),
        defused(event.number if event else ""),
        defused(event.agent if event else ""),
        plain_decimal(transfer.change_micros),
        currency.upper(),
        plain_decimal(transfer.balance_after_micros),
        defused(row.top_up.receipt_number if row.top_up and row.top_up.receipt_number else transfer.reference),
        transfer.seq,
    )


def _not_complete(last: Transfer, sheet: Sheet, zone: ZoneInfo) -> Cells:
    day = timezone.localtime(last.posted_at, zone).date()
    words = f"Not complete: a file has {ROWS_MAX:,} rows at most. Export again until {day} for the rest."
    return ("", "", "not_complete", words, *[""] * (len(sheet.columns) - 4))
