"""The tests' own ground: they must not have rights that the product does not have."""

import psycopg2
import pytest
from django.contrib.auth import get_user_model
from django.db import connection

pytestmark = pytest.mark.django_db


def test_it_connects_as_a_role_without_powers() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname, rolsuper, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = current_user")

        assert cursor.fetchone() == ("wallet_app", False, False, False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_number", [1, 2])
def test_it_starts_each_committed_test_on_a_fresh_copy(round_number: int) -> None:
    assert get_user_model().objects.count() == 0

    get_user_model().objects.create(email=f"alice-{round_number}@example.com")
    assert get_user_model().objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_it_lets_the_owner_do_what_the_app_cannot(owner_connection: "psycopg2.extensions.connection") -> None:
    with owner_connection.cursor() as cursor:
        cursor.execute("SELECT current_user")

        assert cursor.fetchone() == ("wallet_owner",)
