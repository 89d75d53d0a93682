"""What the pages say of a file: what it is of, and how far it is. Reads only."""

from dataclasses import dataclass
from datetime import date

from django.template.defaultfilters import filesizeformat

from billing.export_sources import query_of
from billing.history import Query
from billing.models import Export

DAY_FORMAT = "%b %-d, %Y"
TITLES = {
    Export.Kind.TRANSACTIONS: "Transactions",
    Export.Kind.EVENTS: "Events",
    Export.Kind.JOURNAL: "Accounting journal",
}
_ICONS = {
    Export.State.READY: ("check", "ok"),
    Export.State.FAILED: ("alert", "danger"),
    Export.State.EXPIRED: ("clock", ""),
}


@dataclass(frozen=True)
class FileRow:
    """One file as a page shows it. `again` is the query string of the same filters."""

    export: Export
    title: str
    of: str
    progress: str
    icon: str
    tone: str
    again: str


def file_row(export: Export) -> FileRow:
    """The file in words."""
    kind = Export.Kind(export.kind)
    icon, tone = _ICONS.get(Export.State(export.state), ("clock" if export.state == Export.State.WAITING else "refresh", "accent"))
    query = query_of(export)
    of = _days(query) if kind == Export.Kind.JOURNAL else rows_meant(query)
    return FileRow(export, TITLES[kind], of, _progress(export), icon, tone, query.address())


def rows_meant(query: Query) -> str:
    """`Calls · Nov 1, 2026 – Nov 30, 2026 · “Sales agent”`."""
    kind = query.show.label if query.show.slug else "All kinds"
    return " · ".join([kind, _days(query), *([f"“{query.text}”"] if query.text else [])])


def _days(query: Query) -> str:
    first, last = _day(query.first_day), _day(query.last_day)
    if first and last:
        return first if first == last else f"{first} – {last}"
    return f"From {first}" if first else f"Until {last}" if last else "Any time"


def _day(day: date | None) -> str:
    return day.strftime(DAY_FORMAT) if day else ""


def _progress(export: Export) -> str:
    """How far it is; how large, once it is there. Of an estimate nothing is said that the walk itself could not keep."""
    if export.state == Export.State.WAITING:
        return "Waiting for its turn"
    if export.state == Export.State.READY:
        return f"{_rows(export.rows_done)} · {filesizeformat(export.bytes)}"
    if export.state != Export.State.WORKING:
        return ""
    if export.kind == Export.Kind.JOURNAL:
        return f"{export.place - export.first_place} of {export.last_place - export.first_place} days"
    if export.rows_total is None:
        return f"{_rows(export.rows_done)} so far · {export.percent} % looked through"
    return f"{export.rows_done:,} of {_rows(export.rows_total)} · {export.percent} %"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
