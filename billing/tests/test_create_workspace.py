"""Making a workspace with its wallet: both or neither."""

import pytest
from django.test import Client
from django.urls import reverse

from wallet.models import Wallet
from wallet.money import CURRENCIES
from workspaces import services
from workspaces.models import Membership, Role, User, Workspace
from workspaces.services import workspaces

ADDRESS = "/workspaces/new"
CHOICES = {"name": "Northside Realty", "currency": "eur", "time_zone": "Europe/Paris"}


@pytest.fixture
def alice(db: None) -> User:
    return services.add_user("alice@northside.example", name="Alice Moreau")


@pytest.fixture
def browser(alice: User) -> Client:
    browser = Client()
    browser.force_login(alice)
    return browser


def test_it_makes_a_workspace_its_wallet_and_its_owner(browser: Client, alice: User) -> None:
    response = browser.post(ADDRESS, CHOICES)

    workspace = Workspace.objects.get()
    assert response["Location"] == reverse("workspaces:entry", args=[workspace.public_id])
    assert (workspace.name, workspace.time_zone) == ("Northside Realty", "Europe/Paris")
    assert Wallet.objects.get(workspace=workspace).currency == "eur"
    assert Membership.objects.get(workspace=workspace).role == Role.OWNER


def test_it_offers_every_currency_that_a_wallet_can_have(browser: Client) -> None:
    page = browser.get(ADDRESS).content.decode()

    assert all(f'value="{code}"' in page for code in CURRENCIES)


@pytest.mark.parametrize("wrong", [{"currency": "zzz"}, {"currency": ""}, {"name": " "}, {"time_zone": "Mars/Olympus"}])
def test_it_makes_nothing_of_what_cannot_be(browser: Client, wrong: dict[str, str]) -> None:
    response = browser.post(ADDRESS, CHOICES | wrong)

    assert response.status_code == 422
    assert not Workspace.objects.exists()


def test_it_makes_no_workspace_without_its_wallet(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(workspace: Workspace, *, currency: str) -> Wallet:
        raise RuntimeError("the wallet could not be opened")

    monkeypatch.setattr("billing.views.workspaces.open_wallet", broken)
    with pytest.raises(RuntimeError):
        browser.post(ADDRESS, CHOICES)

    assert not Workspace.objects.exists()


def test_it_limits_how_many_one_person_owns(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspaces, "WORKSPACES_OWNED_MAX", 1)
    browser.post(ADDRESS, CHOICES)

    response = browser.post(ADDRESS, CHOICES)

    assert response.status_code == 422
    assert "the most one person can have" in response.content.decode()
    assert Workspace.objects.count() == 1


def test_it_greets_the_first_time_and_keeps_the_frame_later(browser: Client) -> None:
    first = browser.get(ADDRESS).content.decode()
    browser.post(ADDRESS, CHOICES)
    second = browser.get(ADDRESS).content.decode()

    assert "Create your workspace" in first
    assert 'class="side"' not in first
    assert 'class="side"' in second


def test_it_lets_the_browser_choose_a_zone_only_before_the_person_does(browser: Client) -> None:
    assert "data-guess-time-zone" in browser.get(ADDRESS).content.decode()
    assert "data-guess-time-zone" not in browser.post(ADDRESS, CHOICES | {"name": "", "time_zone": "UTC"}).content.decode()


def test_it_asks_a_visitor_to_sign_in(db: None) -> None:
    assert Client().get(ADDRESS)["Location"] == f"/accounts/login/?next={ADDRESS}"
    assert Client().post(ADDRESS, CHOICES).status_code == 302
    assert not Workspace.objects.exists()
