"""That the sweep finds whose standing nobody has told by index alone, and that charging pays nothing for it."""

import re
from datetime import timedelta

import pytest
from django.db import connection

from wallet.models import Wallet
from wallet.money import CURRENCIES
from wallet.services.holds import place_hold
from wallet.services.standing import stale_standings
from wallet.tests.builders import DOLLAR, charge, make_wallet, paid_top_up

HOUR = timedelta(hours=1)
pytestmark = pytest.mark.django_db


def test_it_looks_at_no_wallet_but_those_that_changed() -> None:
    """Every 30 seconds, however many customers there are: each of the ways to be told has its index."""
    with connection.cursor() as cursor:
        # As with many wallets. Where a condition had no index, every row would be read all the same.
        cursor.execute("SET LOCAL enable_seqscan = off")

    plan = stale_standings().explain()

    assert "Seq Scan" not in plan
    assert re.findall(r"Index Scan on (\w+)", plan) == ["wallet_untold", "wallet_by_grace_end", "wallet_by_grace_end"]


@pytest.mark.parametrize("code", CURRENCIES)
def test_it_knows_the_least_of_every_currency(code: str) -> None:
    """The function in the database has them by name."""
    least_micros = CURRENCIES[code].top_up_least_micros
    wallet = make_wallet(currency=code)

    for balance_micros, is_low in ((least_micros, False), (least_micros - 1, True)):
        Wallet.objects.update(balance_micros=balance_micros, last_seq=1)
        assert stale_standings().filter(pk=wallet.pk).exists() is is_low


def test_it_keeps_charging_an_update_in_place() -> None:
    """What the sweep looks up is in no index that a use changes (PostgreSQL: heap-only tuples)."""
    wallet = make_wallet()
    paid_top_up(wallet, 20 * DOLLAR)
    before = Wallet.objects.get(pk=wallet.pk)

    charge(wallet, DOLLAR)
    place_hold(wallet.pk, amount_micros=DOLLAR, reference="call", idempotency_key="call", lifetime=HOUR)

    after = Wallet.objects.get(pk=wallet.pk)
    columns = Wallet._meta.concrete_fields
    changed = {column.column for column in columns if getattr(after, column.attname) != getattr(before, column.attname)}
    indexed = indexed_columns("wallet_wallet")
    assert changed >= {"balance_micros", "held_micros", "last_seq"}
    assert indexed >= {"workspace_id", "grace_ends_at"}
    assert changed & indexed == set()


def indexed_columns(table: str) -> set[str]:
    """Those that an index holds, works out something from, or has in its condition: a change of one is a new entry in that index."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT attname FROM pg_attribute JOIN pg_index ON indrelid = attrelid
             WHERE attrelid = %s::regclass AND (
                   attnum = ANY (indkey)
                   OR EXISTS (
                       SELECT FROM pg_depend
                        WHERE classid = 'pg_class'::regclass AND objid = indexrelid AND refobjid = attrelid AND refobjsubid = attnum
                   )
             )
            """,
            [table],
        )
        return {column for (column,) in cursor.fetchall()}
