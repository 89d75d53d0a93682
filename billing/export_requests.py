"""Has a worker make a file: one of a kind at a time, so many a day, each told in the audit log. Makes none itself."""

from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from billing.export import file_name
from billing.export_sources import SHEETS, HistorySource
from billing.history import Query
from billing.models import OPEN_STATES, Export
from wallet.models import Wallet
from wallet.queries import database_time
from wallet.services.journal import DAYS_MAX
from workspaces.models import User
from workspaces.services.audit import record
from workspaces.wake import wake

EXPORTS_A_DAY_MAX = 20
"""Of one workspace, and of one wallet or the journal in the console, in 24 hours."""
SHOWN_MAX = 20

Asked = dict[str, str]


class ExportUnderWay(Exception):
    """Another one of that kind is being made."""

    def __init__(self) -> None:
        super().__init__("One is being made already. Ask for this one when it is ready.")


class TooManyExports(Exception):
    """The day's number is used up."""

    def __init__(self) -> None:
        super().__init__(f"{EXPORTS_A_DAY_MAX} files were made within 24 hours. Take one of those, or come back later.")


class PeriodUnclear(Exception):
    """A journal of no days, or of too many."""

    def __init__(self) -> None:
        super().__init__(f"Choose a period of 1 to {DAYS_MAX} days.")


@dataclass(frozen=True)
class Order:
    """What a file is to hold. Its places are fixed now: what is booked from here on is not in it."""

    kind: Export.Kind
    wallet: Wallet | None
    is_operators: bool
    asked: Asked
    file_name: str
    first_place: int
    last_place: int


def history_order(wallet: Wallet, *, kind: Export.Kind, query: Query, zone: ZoneInfo, is_operators: bool = False) -> Order:
    """The rows that the history shows for these filters, as it stands now."""
    sheet = SHEETS[kind]
    above, below = HistorySource(wallet, query, sheet, zone).bounds()
    filters = {"show": query.show.slug, "from": query.first_day, "until": query.last_day, "q": query.text}
    asked = {name: str(value) for name, value in filters.items() if value} | {"zone": str(zone)}
    return Order(kind, wallet, is_operators, asked, file_name(wallet, query, sheet=sheet, zone=zone), below, above)


def journal_order(*, first_day: date, last_day: date, zone: ZoneInfo) -> Order:
    """The journal of these days, both included. Raises: PeriodUnclear."""
    if not 1 <= (last_day - first_day).days + 1 <= DAYS_MAX:
        raise PeriodUnclear
    asked = {"from": str(first_day), "until": str(last_day), "zone": str(zone)}
    name = f"journal-{first_day}-to-{last_day}.csv"
    return Order(Export.Kind.JOURNAL, None, True, asked, name, first_day.toordinal(), last_day.toordinal() + 1)


@transaction.atomic
def request_export(order: Order, *, by: User) -> Export:
    """The file that a worker makes of the order, or the one that was asked for before and holds the same.

    Idempotent by what is asked, while it is made and as long as nothing was booked since. Raises: ExportUnderWay, TooManyExports.
    """
    if same := _same(order):
        return same
    if _of_owner(order).filter(requested_at__gt=database_time() - timedelta(days=1)).count() >= EXPORTS_A_DAY_MAX:
        raise TooManyExports
    row = Export(
        kind=order.kind,
        wallet=order.wallet,
        is_operators=order.is_operators,
        asked=order.asked,
        file_name=order.file_name,
        first_place=order.first_place,
        last_place=order.last_place,
        place=order.first_place,
        made_by=by,
    )
    # Whoever presses at the same moment waits here for the first one's row, and then has none of their own.
    Export.objects.bulk_create([row], ignore_conflicts=True)
    export = Export.objects.filter(pk=row.pk).first()
    if export is None:
        if same := _same(order):
            return same
        raise ExportUnderWay
    record("export.made", workspace=order.wallet.pk if order.wallet else None, target=order.kind, after=order.asked)
    wake("billing.tasks.make_export", str(export.pk))
    return export


def exports_of(wallet: Wallet) -> "QuerySet[Export]":
    """The workspace's own, newest first."""
    return Export.objects.filter(wallet=wallet, is_operators=False).select_related("made_by").order_by("-requested_at", "pk")


def operators_exports() -> "QuerySet[Export]":
    """Those of the console, newest first."""
    return Export.objects.filter(is_operators=True).select_related("made_by", "wallet__workspace").order_by("-requested_at", "pk")


def _of_owner(order: Order) -> "QuerySet[Export]":
    return Export.objects.filter(wallet=order.wallet, is_operators=order.is_operators)


def _same(order: Order) -> Export | None:
    """One with the same rows: still being made, or ready where nothing was booked since. The journal's days may still be changing."""
    alike = _of_owner(order).filter(kind=order.kind, asked=order.asked)
    if under_way := alike.filter(state__in=OPEN_STATES).first():
        return under_way
    if order.wallet is None:
        return None
    ready = alike.filter(state=Export.State.READY, expires_at__gt=Now() + timedelta(hours=1))
    return ready.filter(first_place=order.first_place, last_place=order.last_place).order_by("-requested_at").first()
