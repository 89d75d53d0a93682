"""The status bar: on every page of the app, with the way out for those who may take it."""

import pytest
from django.test import Client

from billing.tests.conftest import SignedIn, a_card
from wallet.ledger import post
from wallet.models import Wallet
from wallet.tests.builders import DOLLAR, adjustment
from workspaces.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def pages(page: str) -> list[str]:
    """A page of the workspace, and one that belongs to no workspace."""
    return [page.replace("billing", "members"), "/accounts/"]


def test_it_asks_alice_to_connect_the_wallet(alices: Client, page: str, pages: list[str]) -> None:
    for path in (page, *pages):
        body = alices.get(path).content.decode()
        assert "Connect your wallet" in body, path
        assert f'action="{page}/connect-card"' in body, path


def test_it_tells_bob_whom_to_ask(bob: User, signed_in: SignedIn, page: str, pages: list[str]) -> None:
    for path in (page, *pages):
        body = signed_in(bob).get(path).content.decode()
        assert "Connect your wallet" in body, path
        assert "Ask your account admin." in body, path
        assert "connect-card" not in body, path


def test_it_says_nothing_once_there_is_a_card(alices: Client, wallet: Wallet, page: str) -> None:
    a_card(wallet)

    body = alices.get(page).content.decode()

    assert "Connect your wallet" not in body
    assert 'id="status-bar"' in body


def test_it_says_nothing_once_there_is_money(alices: Client, wallet: Wallet, page: str) -> None:
    post(wallet.pk, [adjustment(DOLLAR)])

    assert "Connect your wallet" not in alices.get(page).content.decode()


def test_it_is_not_for_someone_without_a_workspace(charlie: User, signed_in: SignedIn) -> None:
    assert "Connect your wallet" not in signed_in(charlie).get("/accounts/").content.decode()
