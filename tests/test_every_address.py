"""Every address that the product has belongs to somebody: it is listed here or the sweep fails, and nobody else gets anything by it.

Who gets what inside of a workspace is test_every_page.py's, by which scope of a key billing/tests/test_api_reach.py's, and by which role
of the staff console/tests/test_access.py's and wallet/tests/test_act_access.py's. Here it is all of them against all addresses.
"""

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from billing.tests.rows import rows_of
from wallet.services.wallets import open_wallet
from wallet.tests.staff import signed_in, staff
from workspaces import services
from workspaces.models import PLATFORM_SCOPES, Scope, User, Workspace
from workspaces.staff import StaffRole

pytestmark = pytest.mark.django_db

METHODS = ("get", "post")
OF_WORKSPACES, CONSOLE, API = "w/<str:public_id>/", "admin/", "api/v1/"
OPEN = {
    "login", "admin/logout/", "docs/api", "api/v1/openapi.json", "pay/<str:token>", "pay/<str:token>/return", "invitations/<str:token>",
    "webhooks/stripe", "webhooks/twilio", "webhooks/vapi", "webhooks/retell",
    "accounts/login/", "accounts/signup/", "accounts/inactive/", "accounts/confirm-email/",
    "accounts/^confirm-email/(?P<key>[-:\\w]+)/$", "accounts/login/code/confirm/", "accounts/2fa/authenticate/", "accounts/password/reset/",
    "accounts/password/reset/done/", "accounts/password/reset/key/done/",
    "accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
}  # fmt: skip
"""To everyone: whoever calls one has a secret of its own, or gets nothing that is anyone's."""
SIGNED_IN = {
    "", "accounts/", "workspaces/new", "accounts/logout/", "accounts/email/", "accounts/reauthenticate/",
    "accounts/password/change/", "accounts/password/set/", "accounts/2fa/", "accounts/2fa/reauthenticate/",
    "accounts/2fa/totp/activate/", "accounts/2fa/totp/deactivate/", "accounts/2fa/recovery-codes/",
    "accounts/2fa/recovery-codes/generate/", "accounts/2fa/recovery-codes/download/",
}  # fmt: skip
"""To whoever is signed in, about themselves."""
WRITTEN_AS = {"month": "2026-01", "content_type_id": "1", "object_id": "1", "app_label": "wallet", "url": "wallet/nothing"}


def _routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        route = f"{prefix}{entry.pattern}"
        if isinstance(entry, URLResolver):
            yield from _routes(entry, route)
        else:
            assert isinstance(entry, URLPattern)
            yield route


ROUTES = sorted(set(_routes(get_resolver())))


def addresses_of(*prefixes: str, public_id: str) -> list[str]:
    """The routes below these that are not open to everyone, with something in each place."""
    return filled([route for route in ROUTES if route.startswith(prefixes) and route not in OPEN], public_id=public_id)


def filled(routes: list[str], *, public_id: str) -> list[str]:
    """With something in each place."""

    def fill(found: "re.Match[str]") -> str:
        kind, name = found["kind"] or "str", found["name"] or found["group"]
        by_kind = {"int": "1", "uuid": "00000000-0000-4000-8000-000000000000"}
        return public_id if name == "public_id" else WRITTEN_AS.get(name) or by_kind.get(kind, "x")

    place = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>|\(\?P<(?P<group>\w+)>(?:[^()]|\([^()]*\))*\)")
    return ["/" + re.sub(r"[\^$]", "", place.sub(fill, route)) for route in routes]


@pytest.fixture
def northside(db: None) -> Workspace:
    """Alice's."""
    alice = services.add_user("alice@northside.example", name="Alice Moreau")
    workspace = services.create_workspace(alice, name="Northside Realty", time_zone="UTC")
    open_wallet(workspace, currency="usd")
    return workspace


@pytest.fixture
def with_keys(northside: Workspace) -> list[Client]:
    """The platform's key and the workspace's own, with every right there is."""
    platform = services.create_api_key(None, name="Platform", scopes=list(PLATFORM_SCOPES), expires_at=None, created_by=None)
    own = services.create_api_key(
        northside, name="Own", scopes=[Scope.EVENTS_WRITE, Scope.WALLET_READ, Scope.WALLET_WRITE], expires_at=None, created_by=None
    )
    return [Client(headers={"Authorization": f"Bearer {made.secret}"}) for made in (platform, own)]


def asked(browser: Client, method: str, address: str) -> Any:
    return getattr(browser, method)(address)


def test_it_knows_whose_every_address_is() -> None:
    below = (OF_WORKSPACES, CONSOLE, API)

    assert {route for route in ROUTES if not route.startswith(below)} <= OPEN | SIGNED_IN <= set(ROUTES)


def test_it_shows_workspaces_to_no_staff_and_no_key(northside: Workspace, with_keys: list[Client]) -> None:
    """The operator's people help customers in the console, where each act is told; they do not walk about in workspaces."""
    people = [signed_in(staff("everybody", *StaffRole)), Client(), *with_keys]
    before = rows_of(northside)

    for address, method in product(addresses_of(OF_WORKSPACES, public_id=northside.public_id), METHODS):
        inside, *outside = [asked(person, method, address) for person in people]
        assert inside.status_code in (404, 405), (method, address)
        for answer in outside:
            assert answer.status_code == 405 or answer["Location"].startswith("/accounts/login/"), (method, address)

    assert rows_of(northside)["wallet.Wallet"] == before["wallet.Wallet"]


def test_it_opens_the_console_to_no_customer_no_key_and_no_staff_without_a_role(northside: Workspace, with_keys: list[Client]) -> None:
    alice = signed_in(northside.memberships.get().user)
    norman = signed_in(User.objects.create_user("norman@operator.example", is_staff=True))

    for address, method in product(addresses_of(CONSOLE, public_id=northside.public_id), METHODS):
        for visitor in (Client(), *with_keys):
            answer = asked(visitor, method, address)
            assert answer.status_code == 405 or answer["Location"].startswith(("/admin/login/", "/accounts/login/")), (method, address)
        for person in (alice, norman):
            answer = asked(person, method, address)
            assert answer.status_code in (403, 405) or answer["Location"].startswith("/admin/login/"), (method, address)


def test_it_answers_programs_by_key_alone(northside: Workspace) -> None:
    """A page that somebody signed in to opens cannot use the API in their name."""
    people = [signed_in(northside.memberships.get().user), signed_in(staff("everybody", *StaffRole)), Client()]

    for address, method in product(addresses_of(API, public_id=northside.public_id), METHODS):
        for person in people:
            assert asked(person, method, address).status_code in (401, 404, 405), (method, address)


def test_it_asks_visitors_and_keys_to_sign_in(northside: Workspace, with_keys: list[Client]) -> None:
    for route, method in product(SIGNED_IN - {""}, METHODS):
        for visitor in (Client(), *with_keys):
            answer = asked(visitor, method, f"/{route}")
            assert answer.status_code in (302, 405), (method, route)
            assert answer.status_code == 405 or answer["Location"].startswith(("/accounts/login/", "/")), (method, route)


def test_it_refuses_every_form_without_its_token(northside: Workspace) -> None:
    """A page of another site that the browser of someone signed in opens. Programs send no cookies: they have a key or a signature."""
    programs = {"webhooks/stripe", "webhooks/twilio", "webhooks/vapi", "webhooks/retell"}
    root = Client(enforce_csrf_checks=True)
    root.force_login(User.objects.create_superuser("root@operator.example"))
    forms = [route for route in ROUTES if route not in programs and not route.startswith(API)]

    answers = {address: root.post(address).status_code for address in filled(forms, public_id=northside.public_id)}

    assert len(answers) == len(forms) > 150
    assert {address: status for address, status in answers.items() if status != 403} == {}
