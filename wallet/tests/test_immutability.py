"""A transfer stays as it was posted: the app has no right to change it, and the owner is stopped by a trigger.

What else the app's role may not do to the tables: tests/test_database_roles.py.
"""

from typing import Any

import psycopg2
import pytest
from django.db import ProgrammingError, transaction
from psycopg2.errors import RestrictViolation

from wallet.models import Transfer
from wallet.tests.builders import DOLLAR, charge, make_wallet


@pytest.mark.django_db
def test_it_cannot_be_changed_or_removed_by_the_app() -> None:
    transfer = charge(make_wallet(), DOLLAR)
    transfer.amount_micros = 1

    for act in (
        lambda: transfer.save(update_fields=["amount_micros"]),
        lambda: Transfer.objects.update(description="Another"),
        lambda: Transfer.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            act()

    assert Transfer.objects.get().amount_micros == DOLLAR


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("statement", "act"),
    [
        ("UPDATE wallet_transfer SET amount_micros = 1", "UPDATE"),
        ("UPDATE wallet_transfer SET amount_micros = amount_micros", "UPDATE"),
        ("DELETE FROM wallet_transfer", "DELETE"),
        ("DELETE FROM wallet_transfer WHERE seq = 404", "DELETE"),
        ("TRUNCATE wallet_transfer", "TRUNCATE"),
        ("TRUNCATE wallet_wallet CASCADE", "TRUNCATE"),
        (
            "INSERT INTO wallet_transfer SELECT * FROM wallet_transfer ON CONFLICT (wallet_id, seq) DO UPDATE SET amount_micros = 1",
            "UPDATE",
        ),
        (
            "MERGE INTO wallet_transfer AS standing USING wallet_transfer AS other ON standing.seq = other.seq WHEN MATCHED THEN DELETE",
            "DELETE",
        ),
    ],
)
def test_it_cannot_be_changed_or_removed_by_a_slip_of_the_owner(owner_connection: Any, statement: str, act: str) -> None:
    charge(make_wallet(), DOLLAR)

    with (
        pytest.raises(RestrictViolation, match=f"{act} on wallet_transfer is refused: rows of the ledger are never changed or removed"),
        owner_connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    assert Transfer.objects.get().amount_micros == DOLLAR


@pytest.mark.django_db(transaction=True)
def test_it_cannot_lose_its_wallet(owner_connection: Any) -> None:
    wallet = make_wallet()
    charge(wallet, DOLLAR)

    with pytest.raises(psycopg2.errors.ForeignKeyViolation), owner_connection.cursor() as cursor:
        cursor.execute("DELETE FROM wallet_wallet")
