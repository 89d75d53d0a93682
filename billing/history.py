"""Transaction History as the page shows it: its filters, its periods and its rows by day. Reads only, through history_search."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby, islice
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.utils import timezone

from billing.history_search import Search, found_page, readable_text
from usage.event_queries import names_of
from usage.kinds import CALLS, MESSAGES, UsageKind
from usage.numbers import readable_numbers
from wallet.models import Kind, TopUp, Transfer, Wallet
from wallet.money import exact_decimals

ROWS_PER_PAGE = 25
ROWS_MAX = 500
"""The most rows that stay open when the page brings itself up to date after "Load more"."""

NAMES_OFFERED = 25
"""Agents, and numbers, in the list to choose from; the others are found by search."""

DECIMALS_MAX = 6
"""A micro has no more."""

YEARS = range(2000, 2200)
"""Days outside are taken for a slip: no book is so old, and calendars end somewhere."""

TOP_UPS = (Kind.TOP_UP, Kind.AUTOMATIC_PAYMENT)
OTHER = tuple(kind for kind in Kind if kind not in TOP_UPS)

ICONS: dict[str, str] = {
    UsageKind.CALL_OUT: "arrow-up-right",
    UsageKind.CALL_IN: "arrow-down-left",
    UsageKind.MESSAGE_OUT: "message",
    UsageKind.MESSAGE_IN: "message",
    UsageKind.AI_TASK: "sparkles",
    Kind.TOP_UP: "plus",
    Kind.AUTOMATIC_PAYMENT: "refresh",
    Kind.REFUND: "refund",
    Kind.REFUND_FAILED: "refund",
    Kind.DISPUTE: "dispute",
    Kind.DISPUTE_WON: "dispute",
    Kind.DISPUTE_LOST: "dispute",
    Kind.PROMOTION: "gift",
    Kind.PROMOTION_EXPIRED: "gift",
    Kind.ADJUSTMENT: "adjust",
}


@dataclass(frozen=True)
class KindFilter:
    """One chip above the history."""

    slug: str
    label: str
    kinds: tuple[str, ...]


KIND_FILTERS = (
    KindFilter("", "All", ()),
    KindFilter("calls", "Calls", CALLS),
    KindFilter("messages", "Messages", MESSAGES),
    KindFilter("ai-tasks", "AI tasks", (UsageKind.AI_TASK,)),
    KindFilter("top-ups", "Top-ups", TOP_UPS),
    KindFilter("other", "Other", OTHER),
)
_BY_SLUG = {known.slug: known for known in KIND_FILTERS}


@dataclass(frozen=True)
class Query:
    """What the address asks for. Days are whole days in the workspace's zone, both included; what makes no sense is left out."""

    show: KindFilter
    first_day: date | None
    last_day: date | None
    text: str
    """What was typed into the search box."""
    before_seq: int | None
    day_shown: date | None
    """The day whose heading already stands above the rows to be added."""
    decimals_shown: int = 0
    """How many decimals the rows above have: those to be added stand in line with them."""

    def address(self, **changes: object) -> str:
        """The query string of this search with something changed; the place in the list is kept only when it is given."""
        return urlencode({name: value for name, value in (self._filters | changes).items() if value})

    @property
    def shown(self) -> dict[str, str]:
        """What has to be asked for to see the same list again, the place where it begins included."""
        return {name: str(value) for name, value in (self._filters | {"before": self.before_seq}).items() if value}

    @property
    def _filters(self) -> dict[str, object]:
        return {"show": self.show.slug, "from": self.first_day, "until": self.last_day, "q": self.text}

    @property
    def is_narrowed(self) -> bool:
        return bool(self.show.slug or self.first_day or self.last_day or self.text)

    def search(self, *, zone: ZoneInfo) -> Search:
        """What to look for: whole days of the zone."""
        until = _midnight(self.last_day + timedelta(days=1), zone) if self.last_day else None
        return Search(kinds=self.show.kinds, since=_midnight(self.first_day, zone), until=until, text=self.text)


@dataclass(frozen=True)
class Period:
    """A period that is offered for one click."""

    label: str
    address: str
    current: bool


@dataclass(frozen=True)
class Row:
    """A transfer and what the page says of it."""

    transfer: Transfer
    title: str
    details: str
    icon: str
    top_up: TopUp | None

    @property
    def incoming(self) -> bool:
        return self.transfer.change_micros > 0

    @property
    def balance_before_micros(self) -> int:
        return self.transfer.balance_after_micros - self.transfer.change_micros


@dataclass(frozen=True)
class Day:
    """The rows of one day; `heading` is None where the page above already has it."""

    day: date
    heading: str | None
    rows: list[Row]


@dataclass(frozen=True)
class History:
    """A page of the history, newest first."""

    query: Query
    days: list[Day]
    decimals: int
    """The most that an amount or a balance on it has."""
    more: str
    """The query string of the next rows; empty at the end."""
    oldest_seq: int | None


def read_query(asked: QueryDict) -> Query:
    """The search that an address asks for."""
    return Query(
        show=_BY_SLUG.get(asked.get("show", ""), KIND_FILTERS[0]),
        first_day=_day(asked.get("from", "")),
        last_day=_day(asked.get("until", "")),
        text=readable_text(asked.get("q", "")),
        before_seq=_seq(asked.get("before", "")),
        day_shown=_day(asked.get("day", "")),
        decimals_shown=min(_seq(asked.get("decimals", "")) or 0, DECIMALS_MAX),
    )


def history(wallet: Wallet, query: Query, *, zone: ZoneInfo, down_to_seq: int | None = None) -> History:
    """The rows that the query asks for; with `down_to_seq` as many as were on the page before, up to ROWS_MAX."""
    limit = ROWS_PER_PAGE if down_to_seq is None else ROWS_MAX
    page = found_page(wallet, query.search(zone=zone), before_seq=query.before_seq, limit=limit)
    shown = page.transfers if down_to_seq is None else _down_to(page.transfers, down_to_seq)
    days = list(_days(rows_of(wallet, shown), zone=zone, day_shown=query.day_shown))
    decimals = max(query.decimals_shown, _decimals(shown, currency=wallet.currency))
    next_before = shown[-1].seq if len(shown) < len(page.transfers) else page.next_before_seq
    place = {"before": next_before, "day": days[-1].day if days else query.day_shown, "decimals": decimals}
    more = query.address(**place) if next_before is not None else ""
    return History(query, days, decimals, more, shown[-1].seq if shown else None)


@dataclass(frozen=True)
class Name:
    """An agent, or one of the workspace's numbers, that is offered for one click."""

    label: str
    address: str
    current: bool


@dataclass(frozen=True)
class Names:
    """What the history is offered by; `all_address` is the search without any of it."""

    agents: list[Name]
    numbers: list[Name]
    all_address: str


def names_offered(wallet: Wallet, query: Query) -> Names:
    """The first agents and numbers, in alphabetical order; the others are found by search."""

    def offered(names: Iterable[str]) -> list[Name]:
        return [Name(readable_numbers(name), query.address(q=name), name == query.text) for name in islice(names, NAMES_OFFERED)]

    return Names(offered(names_of(wallet, "agent")), offered(names_of(wallet, "own_number")), query.address(q=""))


def periods(query: Query, *, zone: ZoneInfo) -> list[Period]:
    """The periods offered for one click."""
    today = timezone.localtime(timezone=zone).date()
    month = today.replace(day=1)
    month_before = (month - timedelta(days=1)).replace(day=1)
    offered: list[tuple[str, date | None, date | None]] = [
        ("Any time", None, None),
        ("Today", today, today),
        ("Last 7 days", today - timedelta(days=6), today),
        ("This month", month, today),
        ("Last month", month_before, month - timedelta(days=1)),
    ]
    asked = (query.first_day, query.last_day)
    return [
        Period(label, query.address(**{"from": first, "until": last}), current=asked == (first, last)) for label, first, last in offered
    ]


def period_label(query: Query, *, zone: ZoneInfo) -> str:
    """How the chosen period is called."""
    named = next((period.label for period in periods(query, zone=zone) if period.current), None)
    if named:
        return named
    first, last = (day.strftime("%b %-d, %Y") if day else "" for day in (query.first_day, query.last_day))
    if first and last:
        return f"{first} – {last}"
    return f"From {first}" if first else f"Until {last}"


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year in YEARS else None


def _seq(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _midnight(day: date | None, zone: ZoneInfo) -> datetime | None:
    return datetime.combine(day, time.min, tzinfo=zone) if day else None


def _down_to(transfers: list[Transfer], seq: int) -> list[Transfer]:
    """As far down as the page was opened, and never less than a page."""
    reached = sum(transfer.seq >= seq for transfer in transfers)
    return transfers[: max(reached, ROWS_PER_PAGE)]


def _decimals(transfers: list[Transfer], *, currency: str) -> int:
    shown = [amount for transfer in transfers for amount in (transfer.change_micros, transfer.balance_after_micros)]
    return max((exact_decimals(amount, currency=currency) for amount in shown), default=0)


def rows_of(wallet: Wallet, transfers: list[Transfer]) -> list[Row]:
    """The transfers with what the page says of them."""
    top_ups = _top_ups(wallet, transfers)
    return [_row(transfer, top_ups.get(transfer.reference)) for transfer in transfers]


def _row(transfer: Transfer, top_up: TopUp | None) -> Row:
    title, _, details = transfer.description.partition(" · ")
    if transfer.kind in UsageKind.values:
        # What was used is told by its kind; with whom and how much comes after it.
        known = UsageKind(transfer.kind).label
        title, details = known, details if title == known else transfer.description
    return Row(transfer, title, readable_numbers(details), ICONS.get(transfer.kind, "adjust"), top_up)


def _top_ups(wallet: Wallet, transfers: list[Transfer]) -> dict[str, TopUp]:
    """The top-ups behind the rows, for their receipts. A book that was taken over may have other references."""
    ids = [found for transfer in transfers if transfer.kind in TOP_UPS and (found := _uuid(transfer.reference))]
    return {str(top_up.pk): top_up for top_up in TopUp.objects.filter(wallet=wallet, pk__in=ids)} if ids else {}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _days(rows: Iterable[Row], *, zone: ZoneInfo, day_shown: date | None) -> Iterator[Day]:
    today = timezone.localtime(timezone=zone).date()
    for day, of_day in groupby(rows, key=lambda row: timezone.localtime(row.transfer.posted_at, zone).date()):
        yield Day(day, None if day == day_shown else _day_heading(day, today=today), list(of_day))


def _day_heading(day: date, *, today: date) -> str:
    if day == today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    return day.strftime("%A, %b %-d" if day.year == today.year else "%A, %b %-d, %Y")
