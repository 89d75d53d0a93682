"""The accounting journal: what each account gave and took, by day and currency, and what Stripe took for it, as CSV.

Read from the ledger, so that debits and credits are equal by construction; for bookkeepers, who know nothing of wallets.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from wallet.csv_text import as_csv
from wallet.money import CURRENCIES, from_minor, plain_decimal
from wallet.services.books import rows_of, wallet_ranges
from wallet.services.seals import Progress

COLUMNS = ("day", "currency", "debit", "credit", "kind", "rows", "amount")
DAYS_MAX = 366
FEES = ("stripe_fees", "stripe", "fee")
"""Stripe's fees leave the operator's balance at Stripe; no wallet pays them."""

_TRANSFERS = """
SELECT (posted_at AT TIME ZONE %(zone)s)::date AS day, currency, debit, credit, kind, count(*), sum(amount_micros)
FROM wallet_transfer JOIN wallet_wallet ON wallet_wallet.workspace_id = wallet_transfer.wallet_id
WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s AND posted_at >= %(since)s AND posted_at < %(until)s
GROUP BY 1, 2, 3, 4, 5
"""
_FEES = """
SELECT (happened_at AT TIME ZONE %(zone)s)::date AS day, settled_currency, count(*), sum(fee_minor)
FROM wallet_stripemovement
WHERE happened_at >= %(since)s AND happened_at < %(until)s AND fee_minor <> 0
GROUP BY 1, 2
ORDER BY 1, 2
"""


class _Line(NamedTuple):
    """What is summed up in one; lines stand in this order."""

    day: date
    currency: str
    debit: str
    credit: str
    kind: str


def journal_lines(*, first_day: date, last_day: date, zone: ZoneInfo, progress: Progress = lambda done, total: None) -> Iterator[str]:
    """The journal of these days, both included, in that zone: a line for each day, currency, pair of accounts and kind.

    All of it is read at one moment; `progress` is told of the rows of the books that were gone through.
    Raises: ValueError where the period is empty or longer than DAYS_MAX.
    """
    days = (last_day - first_day).days + 1
    if not 1 <= days <= DAYS_MAX or last_day == date.max:
        raise ValueError(f"Choose a period of 1 to {DAYS_MAX} days.")
    since, until = (datetime.combine(day, time(), tzinfo=zone) for day in (first_day, last_day + timedelta(days=1)))
    asked: dict[str, str | datetime] = {"zone": str(zone), "since": since, "until": until}
    with transaction.atomic(), connection.cursor() as cursor:
        # Sums over all wallets of a period, which may take longer than a request may.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        transfers = _transfers(cursor, asked, progress)
        cursor.execute(_FEES, asked)
        fees = cursor.fetchall()
    yield as_csv([COLUMNS])
    for line, rows, micros in transfers:
        yield as_csv([(str(line.day), line.currency.upper(), line.debit, line.credit, line.kind, rows, plain_decimal(micros))])
    for day, currency, rows, minor in fees:
        debit, credit, kind = FEES
        amount = plain_decimal(from_minor(int(minor), currency=currency)) if currency in CURRENCIES else f"{minor} minor units"
        yield as_csv([(str(day), currency.upper(), debit, credit, kind, rows, amount)])


def _transfers(cursor: CursorWrapper, asked: dict[str, str | datetime], progress: Progress) -> list[tuple[_Line, int, int]]:
    """Each line with its rows and micros: every book is read once, and after some of them it is told how far this is."""
    counted: Counter[_Line] = Counter()
    summed: Counter[_Line] = Counter()
    done, total = 0, rows_of(None)
    for wallets in wallet_ranges():
        cursor.execute(_TRANSFERS, {**asked, "after": wallets.after, "up_to": wallets.up_to})
        for *of, rows, micros in cursor.fetchall():
            counted[_Line(*of)] += rows
            summed[_Line(*of)] += int(micros)
        done += wallets.rows
        progress(done, total)
    return [(line, counted[line], summed[line]) for line in sorted(counted)]
