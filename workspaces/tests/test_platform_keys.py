"""The platform's keys: made on the server alone, seen and revoked in the console."""

from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from workspaces.models import ApiKey, Scope, User, Workspace
from workspaces.tests.api_caller import Caller

pytestmark = pytest.mark.django_db

Browser = Callable[[User], Client]


def made(*arguments: str) -> tuple[str, str]:
    """What the command printed: the secret, and the words beside it."""
    out, beside = StringIO(), StringIO()
    call_command("create_platform_key", *arguments, stdout=out, stderr=beside)
    return out.getvalue().strip(), beside.getvalue()


def test_it_makes_a_key_for_every_workspace(workspace: Workspace, charlie: User) -> None:
    secret, beside = made("call server")

    assert set(ApiKey.objects.get().scopes) == {scope.value for scope in Scope}
    assert secret not in beside
    for each in Workspace.objects.all():
        assert Caller(secret).get(f"/wallets/{each.public_id}").status == 200


def test_it_makes_a_key_that_ends_and_may_little() -> None:
    made("reader", "--scope", "wallet:read", "--days", "30")

    key = ApiKey.objects.get()
    assert (key.scopes, key.workspace) == (["wallet:read"], None)
    assert key.expires_at is not None


@pytest.mark.parametrize("arguments", [("",), ("x", "--days", "0"), ("x", "--days", "-1"), ("x", "--scope", "everything")])
def test_it_makes_no_key_that_could_not_be(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        made(*arguments)

    assert not ApiKey.objects.exists()


def test_it_lets_the_operator_revoke_and_never_make_one(workspace: Workspace, signed_in: Browser) -> None:
    operator = User.objects.create_superuser("operator@example.com")
    secret, _ = made("call server")
    key, browser = ApiKey.objects.get(), signed_in(operator)

    listed = browser.get(reverse("admin:workspaces_apikey_changelist")).content.decode()
    assert key.prefix in listed
    assert key.secret_sha256 not in browser.get(reverse("admin:workspaces_apikey_change", args=[key.pk])).content.decode()
    assert browser.get(reverse("admin:workspaces_apikey_add")).status_code == 403
    browser.post(reverse("admin:workspaces_apikey_changelist"), {"action": "revoke", "_selected_action": [key.pk]})

    assert Caller(secret).get(f"/wallets/{workspace.public_id}").code == "unauthenticated"


def test_it_lets_nobody_else_into_the_console(alice: User, signed_in: Browser) -> None:
    assert signed_in(alice).get(reverse("admin:workspaces_apikey_changelist")).status_code in (302, 403)
