"""What Transaction History reads of events. Every query starts from one wallet, has a limit and walks one index; nothing here writes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from django.db import connection

from usage.cloud_events import identity
from usage.models import Event, Meter, ProviderCost
from usage.models.events import STRETCH_BITS
from wallet.models import Wallet

NAMES_MAX = 200
"""The most agents, and the most numbers of its own, that a wallet's history offers and looks through."""
SCANNED_MAX = 2_000
"""The most uses of one agent or number that one page looks at for those of one kind."""
SAME_ID_MAX = 100
"""The most events of one id, from different sources, that a search finds: the newest."""
BOOKS_LOOKED_INTO_MAX = 20_000
"""The newest wallets that a search over all of them looks into: a look costs microseconds, and a page should not take seconds."""
STRETCHES_AT_FIRST, TIMES_MORE = 1, 8
"""How many stretches of a book the first statement looks into, and how many times more each after it."""

Column = Literal["agent", "number", "own_number"]
InStretches = Literal["number", "event_id"]
Walked = list[tuple[int, str]]
"""Seq and meter of uses, newest first."""


@dataclass(frozen=True, slots=True)
class Trail:
    """All uses with one agent or one number: what one of the indexes of usage_event holds, in the order of the ledger."""

    column: Column
    value: str


@dataclass(frozen=True)
class SeqPage:
    """Rows of the ledger, newest first. `next_before` asks for those after them; it may be set on an empty page: look further."""

    seqs: list[int]
    next_before: int | None


def names_of(wallet: Wallet, column: Column) -> list[str]:
    """The different agents, or numbers, in alphabetical order: one probe of the index for each, at most NAMES_MAX."""
    # Django has no recursive queries, and SELECT DISTINCT would read every event of the wallet.
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH RECURSIVE found (name, place) AS (
                (SELECT {column}, 1 FROM usage_event WHERE wallet_id = %(wallet)s AND {column} <> '' ORDER BY {column} LIMIT 1)
                UNION ALL
                SELECT (
                    SELECT event.{column} FROM usage_event AS event
                    WHERE event.wallet_id = %(wallet)s AND event.{column} <> '' AND event.{column} > found.name
                    ORDER BY event.{column} LIMIT 1
                ), found.place + 1
                FROM found WHERE found.name IS NOT NULL AND found.place < %(most)s
            )
            SELECT name FROM found WHERE name IS NOT NULL
            """,  # noqa: S608 -- the column is one of three literals
            {"wallet": wallet.pk, "most": NAMES_MAX},
        )
        return [name for (name,) in cursor.fetchall()]


def trail_page(
    wallet: Wallet, trails: Sequence[Trail], *, kinds: Collection[str], after_seq: int, before_seq: int | None, limit: int
) -> SeqPage:
    """The newest uses on any of the trails, of some kinds or all, with a row in the ledger in (after_seq, before_seq).

    Each trail is walked from its newest use down, SCANNED_MAX uses at most: a page costs the same however long the trail is.
    """
    meters = set(Meter.objects.filter(kind__in=kinds).values_list("key", flat=True)) if kinds else set()
    if not trails or (kinds and not meters):
        return SeqPage([], None)
    depth = SCANNED_MAX if kinds else limit + 1
    found: set[int] = set()
    reached = 0
    for trail in trails:
        walked = _walk(wallet, trail, after_seq=after_seq, before_seq=before_seq or wallet.last_seq + 1, depth=depth)
        found.update(seq for seq, meter in walked if not kinds or meter in meters)
        if len(walked) == depth:
            # What lies below the end of this walk has not been looked at on this trail.
            reached = max(reached, walked[-1][0])
    return _page(sorted(found, reverse=True), reached=reached, limit=limit)


def _page(seqs: list[int], *, reached: int, limit: int) -> SeqPage:
    known = [seq for seq in seqs if seq >= reached]
    if len(known) > limit:
        return SeqPage(known[:limit], known[limit - 1])
    return SeqPage(known, reached or None)


def _walk(wallet: Wallet, trail: Trail, *, after_seq: int, before_seq: int, depth: int) -> Walked:
    if trail.column == "number":
        return _walk_stretches(wallet, trail.column, trail.value, after_seq=after_seq, before_seq=before_seq, depth=depth)
    events = Event.objects.filter(wallet=wallet, transfer_seq__gt=after_seq, transfer_seq__lt=before_seq, **{trail.column: trail.value})
    rows = events.exclude(**{trail.column: ""}).order_by("-transfer_seq").values_list("transfer_seq", "meter_id")[:depth]
    return [(seq, meter) for seq, meter in rows if seq is not None]


def _walk_stretches(wallet: Wallet, column: InStretches, value: str, *, after_seq: int, before_seq: int, depth: int) -> Walked:
    """The newest uses with that value, in (after_seq, before_seq): from stretch to stretch, one look into the index for each.

    Ever more stretches at once, so that what is common is found by the first statement, and what is rare by few.
    """
    walked: Walked = []
    newest, oldest, count = (before_seq - 1) >> STRETCH_BITS, (after_seq + 1) >> STRETCH_BITS, STRETCHES_AT_FIRST
    while newest >= oldest and len(walked) < depth:
        bounds = {"first": max(oldest, newest - count + 1), "last": newest, "after": after_seq, "before": before_seq}
        walked += _in_stretches(wallet, column, value, bounds, limit=depth - len(walked))
        newest, count = newest - count, count * TIMES_MORE
    return walked


def _in_stretches(wallet: Wallet, column: InStretches, value: str, bounds: dict[str, int], *, limit: int) -> Walked:
    # Django cannot join a function's rows laterally, and without that PostgreSQL would read the wallet's uses in their order.
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT found.transfer_seq, found.meter_id
            FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS stretch
            CROSS JOIN LATERAL (
                SELECT event.transfer_seq, event.meter_id FROM usage_event AS event
                WHERE event.wallet_id = %(wallet)s AND (event.transfer_seq >> {STRETCH_BITS}) = stretch
                    AND event.{column} = %(value)s AND event.{column} <> ''
                    AND event.transfer_seq > %(after)s AND event.transfer_seq < %(before)s
                ORDER BY event.transfer_seq DESC LIMIT %(limit)s
            ) AS found
            ORDER BY found.transfer_seq DESC LIMIT %(limit)s
            """,  # noqa: S608 -- the column is one of two literals
            bounds | {"wallet": wallet.pk, "value": value, "limit": limit},
        )
        return [(seq, meter) for seq, meter in cursor.fetchall()]


def seqs_of_keys(wallet: Wallet, keys: Collection[UUID | str]) -> list[int]:
    """The ledger's rows of the events with these keys."""
    events = Event.objects.filter(wallet=wallet, key__in=list(keys), transfer_seq__isnull=False)
    return [seq for seq in events.values_list("transfer_seq", flat=True) if seq is not None]


def seqs_of_event_id(wallet: Wallet, text: str) -> list[int]:
    """The ledger's rows of the events with that id, whatever their sources and age; or of the one that `source id` names."""
    source, space, event_id = text.rpartition(" ")
    named = seqs_of_keys(wallet, [identity(source.strip(), event_id)]) if space else []
    walked = _walk_stretches(wallet, "event_id", text, after_seq=0, before_seq=wallet.last_seq + 1, depth=SAME_ID_MAX)
    return named + [seq for seq, _ in walked]


def wallets_with_use(column: Column | Literal["event_id"], values: Collection[str], *, limit: int) -> list[int]:
    """The wallets, newest first, that have a use with one of these values: one look into the index for each stretch of each book."""
    in_stretches = column in ("number", "event_id")
    stretches = f"generate_series(0, book.last_seq >> {STRETCH_BITS})" if in_stretches else "generate_series(0, 0)"
    of_stretch = f"(event.transfer_seq >> {STRETCH_BITS}) = stretch AND" if in_stretches else ""
    # Without LATERAL and its LIMIT, PostgreSQL would read all uses of all wallets instead of looking once into each.
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT DISTINCT book.workspace_id
            FROM (
                SELECT workspace_id, last_seq FROM wallet_wallet WHERE last_seq > 0 ORDER BY workspace_id DESC LIMIT %(books)s
            ) AS book
            CROSS JOIN LATERAL {stretches} AS stretch
            CROSS JOIN unnest(%(values)s::text[]) AS wanted
            CROSS JOIN LATERAL (
                SELECT 1 FROM usage_event AS event
                WHERE event.wallet_id = book.workspace_id AND {of_stretch} event.transfer_seq IS NOT NULL
                    AND event.{column} = wanted AND event.{column} <> ''
                LIMIT 1
            ) AS found
            ORDER BY book.workspace_id DESC LIMIT %(limit)s
            """,  # noqa: S608 -- the column is one of four literals
            {"values": list(values), "limit": limit, "books": BOOKS_LOOKED_INTO_MAX},
        )
        return [wallet for (wallet,) in cursor.fetchall()]


def events_of_rows(wallet: Wallet, seqs: Collection[int]) -> dict[int, Event]:
    """The events behind some rows of the ledger, by seq."""
    events = Event.objects.filter(wallet=wallet, transfer_seq__in=list(seqs))
    return {event.transfer_seq: event for event in events if event.transfer_seq is not None}


def provider_costs_of_rows(wallet: Wallet, seqs: Collection[int]) -> dict[int, ProviderCost]:
    """What providers say that the uses behind some rows cost the operator, by seq. For staff alone."""
    keys = dict(Event.objects.filter(wallet=wallet, transfer_seq__in=list(seqs)).values_list("key", "transfer_seq"))
    costs = ProviderCost.objects.filter(key__in=keys)
    return {seq: cost for cost in costs if (seq := keys[cost.key]) is not None}


def event_of_row(wallet: Wallet, seq: int) -> Event | None:
    """The event behind one row, with its meter and the rate that priced it."""
    return Event.objects.select_related("meter", "rate__card").filter(wallet=wallet, transfer_seq=seq).first()
