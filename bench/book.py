"""Long books: one wallet's transfers, uses and sums of days over the last ninety days, as the product itself would have written them.

By few statements; check_books finds nothing wrong with one (tests/test_bench.py). Imports Django, so after it is set up.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction

from wallet.ledger import Entry, post
from wallet.models import Account, Kind, Wallet
from wallet.services.wallets import open_wallet
from workspaces.models import Workspace

SPREAD = timedelta(days=90)
CHUNK_ROWS = 250_000
OPENING_MICROS = 10_000_000_000
USE_MICROS = 100
SOURCE = "/bench/grown"

Say = Callable[[str], None]


def long_book(name: str, *, rows: int, say: Say) -> Wallet:
    """A new wallet whose ledger has that many rows: an opening balance, then uses of four kinds by five agents, to ever other numbers."""
    opened_at, begun = datetime.now(UTC) - SPREAD, time.monotonic()
    wallet = open_wallet(Workspace.objects.create(name=name), currency="usd")
    post(wallet.pk, [_opening(opened_at)])
    for first in range(2, rows + 1, CHUNK_ROWS):
        last = min(first + CHUNK_ROWS - 1, rows)
        _write(wallet, first=first, last=last, opened_at=opened_at, every=SPREAD / rows)
        say(_progress(name, last, rows, seconds=time.monotonic() - begun))
    _sum_days(wallet)
    wallet.refresh_from_db()
    return wallet


def _opening(at: datetime) -> Entry:
    return Entry(
        debit=Account.ADJUSTMENTS,
        credit=Account.WALLET,
        amount_micros=OPENING_MICROS,
        kind=Kind.ADJUSTMENT,
        reference="bench",
        description="Opening balance",
        happened_at=at,
        posted_at=at,
        idempotency_key="bench",
    )


def _progress(name: str, done: int, rows: int, *, seconds: float) -> str:
    left = seconds / done * (rows - done)
    return f"    {name}: {done:,} of {rows:,} rows" + (f", about {left / 60:.0f} more minutes" if left >= 60 else "")


@transaction.atomic
def _write(wallet: Wallet, *, first: int, last: int, opened_at: datetime, every: timedelta) -> None:
    given = {
        "wallet": wallet.pk,
        "first": first,
        "last": last,
        "opened_at": opened_at,
        "every": every,
        "opening": OPENING_MICROS,
        "price": USE_MICROS,
        "source": SOURCE,
    }
    with connection.cursor() as cursor:
        # A long load is no statement that has run away.
        cursor.execute("SET LOCAL statement_timeout = 0")
        for statement in (_TRANSFERS, _EVENTS, _SUMS):
            cursor.execute(statement, given)


def _sum_days(wallet: Wallet) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(_DAYS, {"wallet": wallet.pk})


# One row for each use. The key is that of usage.cloud_events.identity, so that whatever looks for an event finds these.
_USES = """
SELECT
    n AS seq,
    %(opened_at)s::timestamptz + (n - 1) * %(every)s::interval AS at,
    substr(encode(sha256(convert_to(length(%(source)s) || ':' || %(source)s || 'grown-' || n, 'UTF8')), 'hex'), 1, 32) AS key,
    (ARRAY['call_out', 'call_in', 'message_out', 'ai_task'])[1 + n %% 4] AS kind,
    (ARRAY['Sales agent', 'Reception', 'Support', 'Follow-up', 'Night desk'])[1 + n %% 5] AS agent,
    '+1' || 2000000000 + n * 7919 %% 7000000000 AS number
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""
_TRANSFERS = """
INSERT INTO wallet_transfer (wallet_id, seq, debit, credit, amount_micros, promotion_micros, balance_after_micros, kind, reference,
    description, happened_at, posted_at, idempotency_key)
SELECT %(wallet)s, seq, 'wallet', 'usage_revenue', %(price)s, 0, %(opening)s - %(price)s * (seq - 1), kind, key,
    number || ' · ' || agent || ' · 4 min 12 s', at, at, 'event:' || to_char(at AT TIME ZONE 'UTC', 'YYYYMMDD') || ':' || key
FROM ({uses}) AS uses
""".replace("{uses}", _USES)
_EVENTS = """
INSERT INTO usage_event (wallet_id, key, content, source, event_id, meter_id, happened_at, received_at, day, quantity, billed_quantity,
    rate_id, used_before, remainder, amount_micros, transfer_seq, agent, number, own_number)
SELECT %(wallet)s, uses.key::uuid, uses.key::uuid, %(source)s, 'grown-' || seq, uses.kind, at, at, (at AT TIME ZONE 'UTC')::date, 252, 252,
    rates.id, 0, 0, %(price)s, seq, agent, number, '+1212555010' || seq %% 3
FROM ({uses}) AS uses
JOIN (SELECT meter_id, min(id) AS id FROM usage_rate GROUP BY meter_id) AS rates ON rates.meter_id = uses.kind
""".replace("{uses}", _USES)
_SUMS = """
UPDATE wallet_wallet SET last_seq = %(last)s, balance_micros = %(opening)s - %(price)s * (%(last)s - 1) WHERE workspace_id = %(wallet)s
"""
_DAYS = """
INSERT INTO usage_usageday (wallet_id, day, meter_id, is_late, events, quantity, billed_quantity, amount_micros)
SELECT wallet_id, day, meter_id, is_late, count(*), sum(quantity), sum(billed_quantity), sum(amount_micros)
FROM usage_event WHERE wallet_id = %(wallet)s
GROUP BY wallet_id, day, meter_id, is_late
"""
