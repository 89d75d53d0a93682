"""Settings → API keys: who sees it, making a key whose secret is shown once, revoking it."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from workspaces import services
from workspaces.models import ApiKey, Scope, User, Workspace
from workspaces.services import api_keys
from workspaces.tests.api_caller import Caller

Browser = Callable[[User], Client]
SECRET = re.compile(r"wk_test_[0-9a-f]{8}_[\w-]{43}")


def address(name: str, workspace: Workspace, *more: int) -> str:
    return reverse(f"workspaces:{name}", args=[workspace.public_id, *more])


def filled(**changes: object) -> dict[str, object]:
    return {"name": "Call server", "scopes": ["events:write", "wallet:read"], "lifetime": "90"} | changes


def key_of(workspace: Workspace | None, **changes: object) -> ApiKey:
    made = services.create_api_key(workspace, name="Dialler", scopes=[Scope.WALLET_READ], expires_at=None, created_by=None)
    ApiKey.objects.filter(pk=made.api_key.pk).update(**changes)
    return ApiKey.objects.get(pk=made.api_key.pk)


def test_it_makes_a_key_that_works_and_shows_it_once(dana: User, workspace: Workspace, signed_in: Browser) -> None:
    browser = signed_in(dana)

    made = browser.post(address("new_api_key", workspace), filled())

    (secret,) = set(SECRET.findall(made.content.decode()))
    assert made["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    key = ApiKey.objects.get()
    assert (key.workspace, key.name, key.scopes, key.created_by) == (workspace, "Call server", ["events:write", "wallet:read"], dana)
    assert key.expires_at is not None
    assert timedelta(days=89) < key.expires_at - timezone.now() < timedelta(days=91)
    assert Caller(secret).get(f"/wallets/{workspace.public_id}").status == 200
    listed = browser.get(address("api_keys", workspace)).content.decode()
    assert key.prefix in listed
    assert secret not in listed


def test_it_makes_a_key_without_an_end(alice: User, workspace: Workspace, signed_in: Browser) -> None:
    signed_in(alice).post(address("new_api_key", workspace), filled(lifetime="for-ever"))

    assert ApiKey.objects.get().expires_at is None


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "x" * 61},
        {"scopes": []},
        {"scopes": ["workspaces:write"]},
        {"scopes": ["all"]},
        {"lifetime": ""},
        {"lifetime": "99999"},
    ],
)
def test_it_refuses_what_no_key_can_be(alice: User, workspace: Workspace, signed_in: Browser, changes: dict[str, object]) -> None:
    response = signed_in(alice).post(address("new_api_key", workspace), filled(**changes))

    assert response.status_code == 422
    assert not ApiKey.objects.exists()


def test_it_says_when_there_are_too_many(alice: User, workspace: Workspace, signed_in: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "API_KEYS_MAX", 0)

    response = signed_in(alice).post(address("new_api_key", workspace), filled())

    assert response.status_code == 422
    assert "Revoke one first" in response.content.decode()


def test_it_adds_the_key_to_the_list_behind_the_dialog(alice: User, workspace: Workspace, signed_in: Browser) -> None:
    response = signed_in(alice).post(address("new_api_key", workspace), filled(), headers={"HX-Request": "true"})

    assert 'id="api-keys" aria-labelledby="api-keys-heading" hx-swap-oob="true"' in response.content.decode()


def test_it_revokes_a_key_after_asking(alice: User, workspace: Workspace, signed_in: Browser) -> None:
    key, browser = key_of(workspace), signed_in(alice)

    asked = browser.get(address("revoke_api_key", workspace, key.pk))
    assert "Revoke Dialler?" in asked.content.decode()
    assert ApiKey.objects.get().is_valid
    done = browser.post(address("revoke_api_key", workspace, key.pk), follow=True)

    assert not ApiKey.objects.get().is_valid
    assert "The key Dialler was revoked." in done.content.decode()
    assert key.prefix not in done.content.decode()


def test_it_revokes_no_key_of_another_workspace(alice: User, charlie: User, workspace: Workspace, signed_in: Browser) -> None:
    theirs, platforms = key_of(charlie.workspaces.get()), key_of(None)

    for key in (theirs, platforms):
        for method in ("get", "post"):
            assert getattr(signed_in(alice), method)(address("revoke_api_key", workspace, key.pk)).status_code == 404
        key.refresh_from_db()
        assert key.is_valid


def test_it_shows_no_keys_of_others(alice: User, charlie: User, workspace: Workspace, signed_in: Browser) -> None:
    others = [key_of(charlie.workspaces.get()), key_of(None)]

    listed = signed_in(alice).get(address("api_keys", workspace)).content.decode()

    assert "No keys yet" in listed
    assert not any(key.prefix in listed for key in others)


def test_it_tells_used_expired_and_lasting_keys_apart(alice: User, workspace: Workspace, signed_in: Browser) -> None:
    key_of(workspace, last_used_at=timezone.now() - timedelta(hours=2))
    key_of(workspace, expires_at=timezone.now() - timedelta(days=1))
    key_of(workspace, expires_at=timezone.now() + timedelta(days=40))

    listed = signed_in(alice).get(address("api_keys", workspace)).content.decode()

    for words in ("Used <time", "Never used", "Expired", "Works until", "Does not expire"):
        assert words in listed


@pytest.mark.parametrize("name", ["api_keys", "new_api_key"])
def test_it_is_for_owners_and_admins(bob: User, charlie: User, workspace: Workspace, signed_in: Browser, name: str) -> None:
    assert signed_in(bob).get(address(name, workspace)).status_code == 403
    assert signed_in(bob).post(address("new_api_key", workspace), filled()).status_code == 403
    assert signed_in(charlie).get(address(name, workspace)).status_code == 404
    assert signed_in(charlie).post(address("new_api_key", workspace), filled()).status_code == 404
    assert not ApiKey.objects.exists()


def test_it_stands_among_the_tabs_of_those_who_may_open_it(alice: User, bob: User, workspace: Workspace, signed_in: Browser) -> None:
    page = address("settings", workspace)

    assert address("api_keys", workspace) in signed_in(alice).get(page).content.decode()
    assert address("api_keys", workspace) not in signed_in(bob).get(page).content.decode()


def test_it_writes_strange_names_as_text(alice: User, workspace: Workspace, signed_in: Browser) -> None:
    signed_in(alice).post(address("new_api_key", workspace), filled(name="<script>alert(1)</script>{{7*7}}"))

    listed = signed_in(alice).get(address("api_keys", workspace)).content.decode()

    assert "<script>alert" not in listed
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in listed
