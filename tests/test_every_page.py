"""No page lets in who may not: every address below /w/<id>/ that the urlconf has, by every kind of person, by GET and by POST.

The addresses come from the urlconf itself: one that is new fails here until it is said whose ids stand in it.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from billing.export_requests import history_order, request_export
from billing.history import read_query
from billing.models import Export
from billing.tests.rows import rows_of
from usage.services.default_prices import seed_default_prices
from usage.services.lab_calls import CallPlan, start_call
from usage.services.lab_chats import start_chat
from wallet.models import PaymentLink
from wallet.services.cards import save_card
from wallet.services.payment_links import request_payment_link
from wallet.services.wallets import open_wallet
from wallet.tests.builders import DOLLAR, card_details, paid_top_up
from wallet.tests.hooks import endpoint_of, told
from workspaces import services
from workspaces.access import allowed_roles
from workspaces.models import Membership, Role, Scope, User, Workspace

pytestmark = pytest.mark.django_db

METHODS = ("get", "post")
EVERYONE, ADMINS, OWNERS = tuple(Role), (Role.OWNER, Role.ADMIN), (Role.OWNER,)
PLACES = ("public_id", "seq", "month")
"""What stands in addresses and names nothing of anyone: the workspace itself, a number that every wallet counts anew, a month."""
Ids = dict[str, list[object]]


def _patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        route = f"{prefix}{entry.pattern}"
        if isinstance(entry, URLResolver):
            yield from _patterns(entry, route)
        else:
            yield route, entry


PAGES = {route: pattern for route, pattern in _patterns(get_resolver()) if route.startswith("w/<str:public_id>/")}
OPEN_TO_MEMBERS = {"", "lab", "settings/workspace", "settings/workspace/leave", "settings/members"}
"""Beyond the Lab's own runs."""
OPEN_TO_OWNERS = {"settings/activity"}
"""And to nobody else. Whatever is in neither list is for owners and admins."""


def _names(route: str) -> list[str]:
    """The parameters of a route, in their order."""
    return [part.partition(">")[0].rpartition(":")[2] for part in route.split("<")[1:]]


def _below(route: str) -> str:
    return route.removeprefix("w/<str:public_id>/")


def addresses_of(route: str, workspace: Workspace, ids: Ids) -> list[str]:
    """The route with the workspace and each of the ids that fit."""
    known: Ids = {**ids, "public_id": [workspace.public_id], "seq": [1], "month": ["2026-01"]}
    names = _names(route)
    pieces = [piece.rpartition(">")[2] for piece in route.split("<")]
    made = product(*(known[name] for name in names))
    return ["/" + pieces[0] + "".join(f"{value}{piece}" for value, piece in zip(chosen, pieces[1:], strict=True)) for chosen in made]


@pytest.fixture
def alice(db: None) -> User:
    return services.add_user("alice@northside.example", name="Alice Moreau")


@pytest.fixture
def northside(alice: User) -> Workspace:
    seed_default_prices()
    workspace = services.create_workspace(alice, name="Northside Realty", time_zone="UTC")
    open_wallet(workspace, currency="usd")
    return workspace


@pytest.fixture
def ids(alice: User, northside: Workspace) -> Ids:
    """Alice's: one of everything that an address can name."""
    wallet, mine = northside.wallet, Membership.objects.get(user=alice)
    invitation = services.invite_member(northside, by=mine, email="erin@northside.example", role=Role.MEMBER)
    key = services.create_api_key(northside, name="Dialler", scopes=[Scope.WALLET_READ], expires_at=None, created_by=alice)
    top_up = paid_top_up(wallet, 20 * DOLLAR)
    top_up.refresh_from_db()
    link = request_payment_link(wallet, purpose=PaymentLink.Purpose.CONNECT_CARD, request_id="r", requested_by=alice)
    card = save_card(wallet.pk, card_details(), connected_by=alice)
    chat = start_chat(wallet, agent="reception", is_live=False, request_id="chat", by=alice)
    plan = CallPlan(agent="reception", direction="out", number="+12125550142", is_live=False)
    call = start_call(wallet, plan, request_id="call", by=alice)
    endpoint = endpoint_of(northside, "https://hooks.example.com/").endpoint
    order = history_order(wallet, kind=Export.Kind.TRANSACTIONS, query=read_query(QueryDict()), zone=northside.zone)
    export = request_export(order, by=alice)
    return {
        "member_id": [mine.pk],
        "invitation_id": [invitation.pk],
        "key_id": [key.api_key.pk],
        "top_up_id": [top_up.pk],
        "receipt_number": [top_up.receipt_number],
        "link_id": [link.pk],
        "card_id": [card.pk],
        "run_id": [chat.pk, call.pk],
        "endpoint_id": [endpoint.pk],
        "delivery_id": [told(wallet).pk],
        "export_id": [export.pk],
    }


@pytest.fixture
def elsewhere(northside: Workspace) -> Workspace:
    """Charlie's own."""
    charlie = services.add_user("charlie@elsewhere.example")
    workspace = services.create_workspace(charlie, name="Elsewhere", time_zone="UTC")
    open_wallet(workspace, currency="usd")
    return workspace


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def owner_of(workspace: Workspace) -> User:
    return Membership.objects.get(workspace=workspace, role=Role.OWNER).user


def asked(browser: Client, method: str, address: str) -> int:
    answer: Any = getattr(browser, method)(address)
    return int(answer.status_code)


def test_it_knows_whose_every_id_is(ids: Ids) -> None:
    assert {name for route in PAGES for name in _names(route)} <= ids.keys() | set(PLACES)


def test_it_opens_to_members_what_is_listed_and_nothing_else() -> None:
    """S13: the rights of every page, against a list."""
    rights = {_below(route): allowed_roles(pattern.callback) for route, pattern in PAGES.items()}

    assert {below for below, roles in rights.items() if roles == EVERYONE and not below.startswith("lab/")} == OPEN_TO_MEMBERS
    assert {roles for below, roles in rights.items() if below.startswith("lab/")} == {EVERYONE}
    assert {below for below, roles in rights.items() if roles == OWNERS} == OPEN_TO_OWNERS
    assert set(rights.values()) == {EVERYONE, ADMINS, OWNERS}


@pytest.mark.parametrize("method", METHODS)
def test_it_keeps_members_strangers_and_visitors_out(northside: Workspace, elsewhere: Workspace, ids: Ids, method: str) -> None:
    """S12, S13: by the right address, with ids that are there."""
    members = {role: services.add_user(f"{role.label.lower()}@northside.example") for role in (Role.ADMIN, Role.MEMBER)}
    Membership.objects.bulk_create(Membership(workspace=northside, user=user, role=role) for role, user in members.items())
    visitor, stranger = Client(), browser_of(owner_of(elsewhere))
    insiders = {role: browser_of(user) for role, user in members.items()}
    before = rows_of(northside)

    for route, pattern in PAGES.items():
        for address in addresses_of(route, northside, ids):
            assert asked(visitor, method, address) in (302, 405), f"a visitor: {method} {address}"
            assert asked(stranger, method, address) in (404, 405), f"Charlie: {method} {address}"
            for role in insiders.keys() - set(allowed_roles(pattern.callback) or ()):
                assert asked(insiders[role], method, address) in (403, 405), f"{role.label}: {method} {address}"

    # All that is left of it is when they were there.
    Membership.objects.filter(user__in=members.values()).update(opened_at=None)
    assert rows_of(northside) == before


@pytest.mark.parametrize("method", METHODS)
def test_it_finds_nothing_of_others_under_ones_own_address(northside: Workspace, elsewhere: Workspace, ids: Ids, method: str) -> None:
    """S12, S14: Charlie's workspace in the address, and Alice's ids behind it."""
    browser, before = browser_of(owner_of(elsewhere)), rows_of(northside)

    for route in PAGES:
        if set(_names(route)) - set(PLACES):
            for address in addresses_of(route, elsewhere, ids):
                assert asked(browser, method, address) in (404, 405), f"{method} {address}"

    assert rows_of(northside) == before


@pytest.mark.parametrize("route", [route for route in PAGES if set(_names(route)) - set(PLACES)])
def test_it_finds_ones_own(northside: Workspace, ids: Ids, route: str) -> None:
    """The control: by the same addresses, Alice finds what is hers."""
    browser = browser_of(owner_of(northside))
    answers = [asked(browser, method, address) for method, address in product(METHODS, addresses_of(route, northside, ids))]

    assert set(answers) - {404, 405}
    assert max(answers) < 500
