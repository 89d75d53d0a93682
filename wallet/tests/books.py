"""What every test that moved money may end with."""

from wallet.services.books import find_faults, installed_checks


def assert_books_balance() -> None:
    """Every check of every app holds for every wallet, as this test's own transaction sees them."""
    faults = find_faults(installed_checks())
    assert not faults, "\n".join(str(fault) for fault in faults)
