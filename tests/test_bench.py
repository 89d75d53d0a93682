"""What `make bench` measures on is what the product would have written: its long books are whole, and its two books show the same pages."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client

from bench import book
from bench.book import SOURCE, long_book
from bench.growth import views
from usage.event_queries import seqs_of_event_id
from usage.services.default_prices import seed_default_prices
from wallet.models import Wallet
from workspaces.models import Membership, Role, User

pytestmark = pytest.mark.thorough

SHORT_ROWS, LONG_ROWS = 2_100, 2_600


@pytest.fixture
def books(db: None, monkeypatch: pytest.MonkeyPatch) -> list[Wallet]:
    """A short and a long one, in several pieces."""
    monkeypatch.setattr(book, "CHUNK_ROWS", 1_000)
    seed_default_prices()
    return [long_book(f"{rows} rows", rows=rows, say=lambda _: None) for rows in (SHORT_ROWS, LONG_ROWS)]


@pytest.mark.django_db(transaction=True)
def test_it_writes_books_in_which_nothing_is_wrong(books: list[Wallet]) -> None:
    assert [wallet.last_seq for wallet in books] == [SHORT_ROWS, LONG_ROWS]
    call_command("check_books", "--all", stdout=StringIO())


def test_it_writes_events_that_are_found_by_source_and_id(books: list[Wallet]) -> None:
    for wallet in books:
        assert seqs_of_event_id(wallet, f"{SOURCE} grown-2") == seqs_of_event_id(wallet, "grown-2") == [2]


def test_it_shows_the_same_number_of_rows_of_either(books: list[Wallet], client: Client) -> None:
    user = User.objects.create_user("bench@example.com")
    Membership.objects.bulk_create(Membership(user=user, workspace_id=wallet.pk, role=Role.OWNER) for wallet in books)
    client.force_login(user)

    for name, view in views().items():
        pages = [client.get(f"/w/{wallet.workspace.public_id}/settings/billing{view}") for wallet in books]
        short, long = [page.content.count(b'id="transfer-') for page in pages]

        assert [page.status_code for page in pages] == [200, 200]
        assert short == long, name
        assert short > 0 or name in ("top-ups, of which there are none", "one charge explained")
