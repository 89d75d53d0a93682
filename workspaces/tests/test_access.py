"""Who may open what: a table of every page of a workspace against every role, and that no address was forgotten."""

import re
from collections.abc import Callable, Iterator

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from workspaces.access import allowed_roles
from workspaces.models import BILLING_ROLES, Membership, Role, User, Workspace

Browser = Callable[[User], Client]
ADMINS = (Role.OWNER, Role.ADMIN)
EVERYONE = tuple(Role)

# Every page of this app below /w/<id>/, and whom it lets in. A page that is not listed fails the test below.
TABLE = {
    "entry": EVERYONE,
    "settings": EVERYONE,
    "save_settings": ADMINS,
    "leave": EVERYONE,
    "members": EVERYONE,
    "invite": ADMINS,
    "member": ADMINS,
    "remove": ADMINS,
    "resend_invitation": ADMINS,
    "revoke_invitation": ADMINS,
    "activity": (Role.OWNER,),
    "api_keys": ADMINS,
    "new_api_key": ADMINS,
    "revoke_api_key": ADMINS,
}


def _patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _patterns(entry, route)
        else:
            yield route, entry


def _of_a_workspace() -> dict[str, URLPattern]:
    return {route: pattern for route, pattern in _patterns(get_resolver()) if "<str:public_id>" in route}


def test_it_guards_every_address_of_a_workspace() -> None:
    addresses = _of_a_workspace()

    assert len(addresses) >= len(TABLE)
    assert [route for route, pattern in addresses.items() if allowed_roles(pattern.callback) is None] == []


def test_it_keeps_billing_to_owners_and_admins() -> None:
    billing = {route: allowed_roles(pattern.callback) for route, pattern in _of_a_workspace().items() if "/settings/billing" in route}

    assert billing
    assert {route for route, roles in billing.items() if roles != BILLING_ROLES} == set()


def test_it_lists_every_page_of_this_app() -> None:
    ours = {pattern.name: pattern for pattern in _of_a_workspace().values() if pattern.callback.__module__.startswith("workspaces")}

    assert {name: allowed_roles(pattern.callback) for name, pattern in ours.items()} == TABLE


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("method", ["get", "post"])
def test_it_lets_in_exactly_who_may(
    name: str, method: str, alice: User, dana: User, bob: User, charlie: User, workspace: Workspace, signed_in: Browser
) -> None:
    address = _address(name, workspace.public_id)
    before = Membership.objects.count()

    people = {alice: Role.OWNER, dana: Role.ADMIN, bob: Role.MEMBER}
    refused = {user for user in people if getattr(signed_in(user), method)(address).status_code == 403}
    assert refused == {user for user, role in people.items() if role not in TABLE[name]}

    stranger = getattr(signed_in(charlie), method)(address)
    nowhere = getattr(signed_in(charlie), method)(address.replace(workspace.public_id, "ws_000000000000000000000000"))
    assert (stranger.status_code, nowhere.status_code) == (404, 404)
    assert _without_tokens(stranger) == _without_tokens(nowhere)

    nobody = getattr(Client(), method)(address)
    assert nobody.status_code == 302
    assert nobody["Location"].startswith("/accounts/login/")
    # `leave` is the one that may change anything here: Bob and Dana may go.
    assert before - Membership.objects.count() == (2 if (name, method) == ("leave", "post") else 0)


def test_it_brings_a_visitor_back_after_signing_in(workspace: Workspace) -> None:
    page = reverse("workspaces:members", args=[workspace.public_id])

    assert Client().get(page)["Location"] == f"/accounts/login/?next={page}"


def test_it_does_not_bring_anyone_back_to_a_form_that_was_sent(workspace: Workspace) -> None:
    page = reverse("workspaces:invite", args=[workspace.public_id])

    assert Client().post(page)["Location"] == "/accounts/login/?next=/"


def test_it_sends_a_part_of_a_page_to_sign_in_as_a_whole(workspace: Workspace) -> None:
    response = Client().get(reverse("workspaces:invite", args=[workspace.public_id]), headers={"HX-Request": "true"})

    assert response["HX-Redirect"] == "/accounts/login/"


def test_it_tells_a_member_who_manages_billing(alice: User, dana: User, bob: User, workspace: Workspace, signed_in: Browser) -> None:
    response = signed_in(bob).get(reverse("billing:billing", args=[workspace.public_id]))

    page = response.content.decode()
    assert response.status_code == 403
    assert "Your account admin manages billing" in page
    assert "alice@northside.example" in page
    assert "dana@northside.example" in page


def test_it_names_nobody_who_cannot_sign_in(alice: User, dana: User, bob: User, workspace: Workspace, signed_in: Browser) -> None:
    User.objects.filter(pk=dana.pk).update(is_active=False)

    page = signed_in(bob).get(reverse("billing:billing", args=[workspace.public_id])).content.decode()

    assert "dana@northside.example" not in page


def test_it_refuses_at_once_whoever_was_removed(bob: User, workspace: Workspace, signed_in: Browser) -> None:
    browser, page = signed_in(bob), reverse("workspaces:members", args=[workspace.public_id])
    assert browser.get(page).status_code == 200

    Membership.objects.filter(user=bob).delete()

    assert browser.get(page).status_code == 404


def test_it_refuses_at_once_whoever_was_disabled(bob: User, workspace: Workspace, signed_in: Browser) -> None:
    browser, page = signed_in(bob), reverse("workspaces:members", args=[workspace.public_id])
    assert browser.get(page).status_code == 200

    User.objects.filter(pk=bob.pk).update(is_active=False)

    assert browser.get(page).status_code == 302


def test_it_keeps_pages_out_of_caches(alice: User, workspace: Workspace, signed_in: Browser) -> None:
    response = signed_in(alice).get(reverse("workspaces:members", args=[workspace.public_id]))

    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("method", ["member", "remove"])
def test_it_reaches_no_member_of_another_workspace(
    method: str, alice: User, charlie: User, workspace: Workspace, signed_in: Browser
) -> None:
    foreign = Membership.objects.get(user=charlie)

    response = signed_in(alice).post(reverse(f"workspaces:{method}", args=[workspace.public_id, foreign.pk]), {"role": "member"})

    assert response.status_code == 404
    assert Membership.objects.get(pk=foreign.pk).role == Role.OWNER


def test_it_marks_no_view_that_has_no_guard() -> None:
    def view(request: HttpRequest) -> None: ...

    assert allowed_roles(view) is None


def _address(name: str, public_id: str) -> str:
    pattern = next(p for p in _of_a_workspace().values() if p.name == name and p.callback.__module__.startswith("workspaces"))
    extra = [0] if any(part in str(pattern.pattern) for part in ("member_id", "invitation_id", "key_id")) else []
    return reverse(f"workspaces:{name}", args=[public_id, *extra])


def _without_tokens(response: HttpResponse) -> str:
    return re.sub(r'"X-CSRFToken": "\w+"', "", response.content.decode())


@pytest.mark.parametrize("public_id", ["%00", "ws_%00", "☃", "x" * 300])
def test_it_answers_404_for_what_is_no_id(alice: User, signed_in: Browser, public_id: str) -> None:
    for page in ("settings", "settings/members"):
        assert signed_in(alice).get(f"/w/{public_id}/{page}").status_code == 404
