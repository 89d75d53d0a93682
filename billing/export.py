"""The history as CSV, row by row: constant memory for any length, exact amounts, and no cell that a spreadsheet would run.

UTF-8 with a byte order mark, without which Excel takes it for something else; lines end in CR LF, as RFC 4180 says.
"""

import csv
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.text import slugify

from billing.history import Query, Row, rows_of
from billing.history_search import found_page
from usage.event_queries import events_of_rows
from usage.models import Event
from wallet.models import Wallet
from wallet.money import plain_decimal

ROWS_MAX = 100_000
"""The most rows of one file: a quarter of a minute's work. A last line says how to get the rest."""
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


class _Line:
    """What csv writes to: hands the line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def csv_lines(wallet: Wallet, query: Query, *, zone: ZoneInfo) -> Iterator[str]:
    """The file, a piece at a time, newest first: the rows that the page would show for the same query.

    The book only grows at its end, so that walking down it page by page sees every row once, whatever is booked meanwhile.
    """
    writer = csv.writer(_Line())
    yield BYTE_ORDER_MARK + writer.writerow(COLUMNS)
    written, before = 0, wallet.last_seq + 1
    search = query.search(zone=zone)
    while True:
        page = found_page(wallet, search, before_seq=before, limit=min(ROWS_AT_ONCE, ROWS_MAX - written))
        rows = rows_of(wallet, page.transfers)
        events = events_of_rows(wallet, [row.transfer.seq for row in rows])
        yield "".join(writer.writerow(_cells(row, events.get(row.transfer.seq), wallet.currency, zone)) for row in rows)
        written += len(rows)
        if page.next_before_seq is None:
            return
        if written >= ROWS_MAX:
            yield writer.writerow(_not_complete(rows[-1], zone))
            return
        before = page.next_before_seq


def file_name(wallet: Wallet, query: Query, *, zone: ZoneInfo) -> str:
    """`northside-realty-transactions-2026-11-01-to-2026-11-21.csv`: the workspace and the period, both days included."""
    name = slugify(wallet.workspace.name)[:NAME_MAX].strip("-") or wallet.workspace.public_id
    first = query.first_day or timezone.localtime(wallet.created_at, zone).date()
    today: date = timezone.localtime(timezone=zone).date()
    return f"{name}-transactions-{min(first, query.last_day or today)}-to-{query.last_day or today}.csv"


def defused(text: str) -> str:
    """The text as a cell that stays text: with a quote before it where it begins as a formula does, a telephone number's plus included."""
    return f"'{text}" if text.startswith(RUN_BY_SPREADSHEETS) else text


def _cells(row: Row, event: Event | None, currency: str, zone: ZoneInfo) -> Sequence[str | int]:
    """Amounts are our own digits and stay numbers, the negative ones too; everything that was ever typed is defused."""
    transfer = row.transfer
    booked, happened = (
        timezone.localtime(moment, zone).isoformat(timespec="seconds") for moment in (transfer.posted_at, transfer.happened_at)
    )
    return (
        booked,
        happened,
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


def _not_complete(last: Row, zone: ZoneInfo) -> Sequence[str]:
    day = timezone.localtime(last.transfer.posted_at, zone).date()
    words = f"Not complete: a file has {ROWS_MAX:,} rows at most. Export again until {day} for the rest."
    return ("", "", "not_complete", words, *[""] * (len(COLUMNS) - 4))
