"""Where the rows of an export come from, part by part: a walk along places that never change once it was asked for. Reads only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from zoneinfo import ZoneInfo

from django.http import QueryDict

from billing.export import TRANSACTIONS, Piece, Sheet, heading_of, next_piece
from billing.export_events import EVENTS
from billing.history import Query, read_query
from billing.history_search import found_page
from billing.models import Export
from wallet.models import Transfer, Wallet
from wallet.queries import seqs_between
from wallet.services.journal import COLUMNS as JOURNAL_COLUMNS
from wallet.services.journal import journal_lines

SHEETS = {Export.Kind.TRANSACTIONS: TRANSACTIONS, Export.Kind.EVENTS: EVENTS}

SMALL_ROWS_MAX = 20_000
"""What a request writes by itself, within a few seconds. More than that is a worker's."""
SEARCHED_PAGES_MAX = 4
SEARCHED_PAGE_ROWS = 500
"""Rows that match a text cannot be counted without being found: so many pages are looked at to tell few from many."""


class Source(Protocol):
    """The rows of one export."""

    @property
    def heading(self) -> str:
        """What the file begins with."""

    def count(self) -> int | None:
        """How many rows there will be; None where only the walk can tell."""

    def piece(self, place: int, *, written: int) -> Piece:
        """The next lines; `next_before` is the place of those after them."""


def source_of(export: Export) -> Source:
    """The rows that the export was asked to have."""
    zone = ZoneInfo(export.asked["zone"])
    if export.kind == Export.Kind.JOURNAL:
        return JournalSource(last_place=export.last_place, zone=zone)
    wallet = export.wallet
    assert wallet is not None, "every other kind is of a wallet: export_is_of_a_wallet_or_the_operators_journal"
    return HistorySource(wallet, query_of(export), SHEETS[Export.Kind(export.kind)], zone)


def query_of(export: Export) -> Query:
    """The filters that it was asked with."""
    asked = QueryDict(mutable=True)
    asked.update({name: value for name, value in export.asked.items() if name in ("show", "from", "until", "q")})
    return read_query(asked)


@dataclass(frozen=True)
class HistorySource:
    """Rows of a wallet's history, newest first. Below a seq that was reached the book never changes."""

    wallet: Wallet
    query: Query
    sheet: Sheet
    zone: ZoneInfo

    @property
    def heading(self) -> str:
        return heading_of(self.sheet.columns)

    def bounds(self) -> tuple[int, int]:
        """The seqs that the rows lie between, as the book stands now."""
        search = self.query.search(zone=self.zone)
        return seqs_between(self.wallet, since=search.since, until=search.until)

    def count(self) -> int | None:
        if self.query.text or self.sheet is EVENTS:
            return None
        above, below = self.bounds()
        rows = Transfer.objects.filter(wallet=self.wallet, seq__gt=above, seq__lt=below)
        return rows.filter(kind__in=self.query.show.kinds).count() if self.query.show.kinds else below - above - 1

    def is_small(self) -> bool:
        """Whether a request can write it by itself: SMALL_ROWS_MAX rows at most, found out at a bounded cost."""
        above, below = self.bounds()
        if below - above - 1 <= SMALL_ROWS_MAX:
            return True
        if self.query.text:
            return self._is_found_within(SEARCHED_PAGES_MAX, below=below)
        kinds = self.query.show.kinds
        rows = Transfer.objects.filter(wallet=self.wallet, kind__in=kinds, seq__gt=above, seq__lt=below)
        return bool(kinds) and rows[: SMALL_ROWS_MAX + 1].count() <= SMALL_ROWS_MAX

    def _is_found_within(self, pages: int, *, below: int) -> bool:
        search, before = self.query.search(zone=self.zone), below
        for _ in range(pages):
            page = found_page(self.wallet, search, before_seq=before, limit=SEARCHED_PAGE_ROWS)
            if page.next_before_seq is None:
                return True
            before = page.next_before_seq
        return False

    def piece(self, place: int, *, written: int) -> Piece:
        return next_piece(self.wallet, self.query.search(zone=self.zone), sheet=self.sheet, before=place, written=written, zone=self.zone)


@dataclass(frozen=True)
class JournalSource:
    """The accounting journal, day by day. A place is a day's ordinal, so that a worker that was killed does one day again."""

    last_place: int
    zone: ZoneInfo

    @property
    def heading(self) -> str:
        return heading_of(JOURNAL_COLUMNS)

    def count(self) -> int | None:
        return None

    def piece(self, place: int, *, written: int) -> Piece:
        day = date.fromordinal(place)
        lines: Iterator[str] = iter(journal_lines(first_day=day, last_day=day, zone=self.zone))
        next(lines)
        rows = list(lines)
        return Piece("".join(rows), len(rows), place + 1 if place + 1 < self.last_place else None)
