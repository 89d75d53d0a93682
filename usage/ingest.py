"""Writes batches of priced events: the statements that the ORM cannot say for many rows and wallets at once.

Everything here runs inside the caller's transaction, with the wallets' locks held.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection

from usage.queries import month_after
from wallet.ledger import copy_rows, copy_texts


@dataclass(slots=True)
class EventRow:
    """One row of usage_event to be. Ids are hex digits, amounts micros, quantities whole units."""

    wallet_id: int
    key: str
    content: str
    source: str
    event_id: str
    meter: str
    happened_at: datetime
    day: date
    is_late: bool
    quantity: int
    billed_quantity: int
    rate_id: int | None
    used_before: int
    remainder: int
    amount_micros: int
    transfer_seq: int | None
    hold_id: str | None
    agent: str
    number: str
    own_number: str
    api_key: str


@dataclass(slots=True)
class DaySum:
    """What a batch adds to one row of usage_usageday."""

    events: int = 0
    quantity: int = 0
    billed_quantity: int = 0
    amount_micros: int = 0


DayKey = tuple[int, date, str, bool]
"""Wallet, day, meter, late."""
MonthKey = tuple[int, str, date]
"""Wallet, meter, first day of the month."""
BudgetKey = tuple[int, int, date]
"""Wallet, budget, first day of the month."""


def standing_contents(keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], str]:
    """The content digest of each (wallet, key) that was charged before."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT wanted.wallet_id, wanted.key, standing.content
            FROM unnest(%s::bigint[], %s::uuid[]) AS wanted (wallet_id, key)
            CROSS JOIN LATERAL (
                SELECT event.content FROM usage_event AS event
                WHERE event.wallet_id = wanted.wallet_id AND event.key = wanted.key
                OFFSET 0 -- Looks each up in the index: joined freely, a short table would be read from end to end for every batch.
            ) AS standing
            """,
            [[wallet_id for wallet_id, _ in keys], [key for _, key in keys]],
        )
        return {(wallet_id, key.hex): content.hex for wallet_id, key, content in cursor.fetchall()}


def charged_under_holds(holds: Sequence[tuple[int, str]]) -> set[tuple[int, str, str]]:
    """Which meters were charged before under each (wallet, hold): wallet, hold and meter."""
    if not holds:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT wanted.wallet_id, wanted.hold_id, charged.meter_id
            FROM unnest(%s::bigint[], %s::uuid[]) AS wanted (wallet_id, hold_id)
            CROSS JOIN LATERAL (
                SELECT event.meter_id FROM usage_event AS event
                WHERE event.wallet_id = wanted.wallet_id AND event.hold_id = wanted.hold_id
                OFFSET 0 -- As above.
            ) AS charged
            """,
            [[wallet_id for wallet_id, _ in holds], [hold_id for _, hold_id in holds]],
        )
        return {(wallet_id, hold_id.hex, meter) for wallet_id, hold_id, meter in cursor.fetchall()}


def copy_events(rows: Sequence[EventRow]) -> None:
    """Add the rows; an event that stands already is refused by the primary key, with everything else of the transaction."""
    copy_rows(
        "usage_event (wallet_id, key, content, source, event_id, agent, number, own_number, api_key, meter_id, happened_at, day, is_late, "
        "quantity, billed_quantity, rate_id, used_before, remainder, amount_micros, transfer_seq, hold_id)",
        [_line(row) for row in rows],
    )


def _line(row: EventRow) -> str:
    texts = copy_texts(row.source, row.event_id, row.agent, row.number, row.own_number, row.api_key)
    return (
        f"{row.wallet_id}\t{row.key}\t{row.content}\t{texts}\t{row.meter}\t{row.happened_at.isoformat()}\t{row.day}\t{row.is_late}"
        f"\t{row.quantity}\t{row.billed_quantity}\t{_or_null(row.rate_id)}\t{row.used_before}\t{row.remainder}\t{row.amount_micros}"
        f"\t{_or_null(row.transfer_seq)}\t{_or_null(row.hold_id)}"
    )


def _or_null(value: object) -> object:
    return "\\N" if value is None else value


def add_to_days(sums: Mapping[DayKey, DaySum]) -> None:
    """Add a batch to the sums of its days."""
    if not sums:
        return
    # Sorted, although the wallets' locks already keep two batches from meeting here.
    keys = sorted(sums)
    columns: list[list[object]] = [list(column) for column in zip(*keys, strict=True)]
    columns += [[getattr(sums[key], name) for key in keys] for name in ("events", "quantity", "billed_quantity", "amount_micros")]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO usage_usageday AS stands (wallet_id, day, meter_id, is_late, events, quantity, billed_quantity, amount_micros)
            SELECT * FROM unnest(%s::bigint[], %s::date[], %s::text[], %s::boolean[],
                %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
            ON CONFLICT (wallet_id, day, meter_id, is_late) DO UPDATE SET
                events = stands.events + excluded.events,
                quantity = stands.quantity + excluded.quantity,
                billed_quantity = stands.billed_quantity + excluded.billed_quantity,
                amount_micros = stands.amount_micros + excluded.amount_micros
            """,
            columns,
        )


def billed_in_months(keys: Collection[MonthKey]) -> dict[MonthKey, int]:
    """Billed units in each of these months, zero where there are none: what graduated tiers count from.

    A late use counts in the month that it was booked in, as everywhere.
    """
    wanted = [(*key, month_after(key[2])) for key in keys]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT wanted.wallet_id, wanted.meter_id, wanted.first_day, coalesce(sum(day.billed_quantity), 0)::bigint
            FROM unnest(%s::bigint[], %s::text[], %s::date[], %s::date[]) AS wanted (wallet_id, meter_id, first_day, after)
            LEFT JOIN usage_usageday AS day
                ON day.wallet_id = wanted.wallet_id AND day.meter_id = wanted.meter_id
                AND day.day >= wanted.first_day AND day.day < wanted.after
            GROUP BY wanted.wallet_id, wanted.meter_id, wanted.first_day
            """,
            [list(column) for column in zip(*wanted, strict=True)],
        )
        return {(wallet_id, meter, first_day): units for wallet_id, meter, first_day, units in cursor.fetchall()}


def add_to_budgets(sums: Mapping[BudgetKey, int]) -> None:
    """Add to what was spent under budgets."""
    if not sums:
        return
    keys = sorted(sums)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO usage_budgetmonth AS stands (wallet_id, budget_id, month, spent_micros)
            SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::date[], %s::bigint[])
            ON CONFLICT (wallet_id, budget_id, month) DO UPDATE SET spent_micros = stands.spent_micros + excluded.spent_micros
            """,
            [*(list(column) for column in zip(*keys, strict=True)), [sums[key] for key in keys]],
        )
