"""Signing in and out, seen from outside: whom it lets in, under which host, by whose forms, and where it leads."""

import re
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from django.urls import reverse

from workspaces.models import User, Workspace
from workspaces.tests.conftest import PASSWORD
from workspaces.tests.signing_in import LOGIN, RESET, SIGNUP, Browser, is_signed_in, sign_in

EVIL = [
    "//evil.test",
    "https:evil.test",
    "https:/evil.test",
    "/\\evil.test",
    "%2f%2fevil.test",
    "https://evil.test/",
    "javascript:alert(1)",
    "///evil.test",
]


# ---------------------------------------------------------------- in and out
def test_it_signs_in_and_lands_in_the_workspace(alice: User, workspace: Workspace) -> None:
    browser = Client()

    response = sign_in(browser, alice.email.upper())

    assert response["Location"] == "/"
    assert browser.get("/")["Location"] == reverse("workspaces:entry", args=[workspace.public_id])


def test_it_finds_the_short_address_of_sign_in(db: None) -> None:
    assert Client().get("/login?next=/w/x/")["Location"] == "/accounts/login/?next=/w/x/"


def test_it_signs_out_by_post_alone(alice: User, signed_in: Browser) -> None:
    browser = signed_in(alice)

    assert browser.get("/accounts/logout/").status_code == 200
    assert is_signed_in(browser)
    browser.post("/accounts/logout/")

    assert not is_signed_in(browser)


def test_it_lets_no_disabled_account_in(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    browser = Client()

    sign_in(browser, alice.email)

    assert not is_signed_in(browser)


def test_it_enters_the_console_through_the_same_door(alice: User, signed_in: Browser) -> None:
    assert Client().get("/admin/login/?next=/admin/")["Location"].startswith("/accounts/login/")
    assert signed_in(alice).get("/admin/login/").status_code == 403


# ---------------------------------------------------------------- S7: the host that asks
def test_it_refuses_a_host_that_is_not_ours(db: None) -> None:
    assert Client().get("/", headers={"Host": "evil.test"}).status_code == 400


def test_it_mails_links_to_our_own_address_whatever_the_proxy_says(alice: User) -> None:
    Client().post(RESET, {"email": alice.email}, headers={"X-Forwarded-Host": "evil.test"})

    assert "evil.test" not in mail.outbox[0].body
    assert f"{settings.SITE_URL}/accounts/password/reset/key/" in mail.outbox[0].body


def test_it_mails_links_to_our_own_address_from_every_host_we_answer_to(alice: User, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver", "inside.test"]

    Client().post(RESET, {"email": alice.email}, headers={"Host": "inside.test"})
    Client().post(SIGNUP, {"name": "N", "email": "new@example.com", "password1": PASSWORD}, headers={"Host": "inside.test"})
    Client().post(RESET, {"email": "nobody@example.com"}, headers={"Host": "inside.test"})

    assert len(mail.outbox) == 3
    assert all("inside.test" not in message.body and settings.SITE_URL in message.body for message in mail.outbox)


# ---------------------------------------------------------------- S8: forms from elsewhere
@pytest.mark.parametrize(
    "page", [LOGIN, SIGNUP, RESET, "/accounts/logout/", "/accounts/password/change/", "/accounts/email/", "/accounts/", "/workspaces/new"]
)
def test_it_refuses_a_form_without_its_token(alice: User, page: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)

    assert browser.post(page, {}).status_code == 403


def test_it_refuses_a_form_from_another_site(alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(LOGIN).content.decode())
    assert token is not None
    form = {"login": alice.email, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}

    assert browser.post(LOGIN, form, headers={"Origin": "https://evil.test"}).status_code == 403
    assert browser.post(LOGIN, form, headers={"Origin": "http://testserver"}).status_code == 302


def test_it_refuses_every_form_of_a_workspace_without_its_token(alice: User, workspace: Workspace) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)

    for name in ("save_settings", "leave", "invite"):
        assert browser.post(reverse(f"workspaces:{name}", args=[workspace.public_id])).status_code == 403


# ---------------------------------------------------------------- S9: where sign-in leads
@pytest.mark.parametrize("target", EVIL)
def test_it_never_leads_off_the_site(alice: User, target: str) -> None:
    browser = Client()

    by_address = browser.post(f"{LOGIN}?next={target}", {"login": alice.email, "password": PASSWORD})
    by_field = sign_in(Client(), alice.email, next=target)

    assert (by_address.status_code, by_field.status_code) == (302, 302)
    assert {_host_led_to(LOGIN, by_address), _host_led_to(LOGIN, by_field)} == {"testserver"}


@pytest.mark.parametrize("target", EVIL)
def test_it_never_leads_off_the_site_on_the_way_out(alice: User, target: str, signed_in: Browser) -> None:
    response = signed_in(alice).post("/accounts/logout/", {"next": target})

    assert _host_led_to("/accounts/logout/", response) == "testserver"


def test_it_leads_back_to_the_page_that_was_asked_for(alice: User, workspace: Workspace) -> None:
    page = reverse("workspaces:members", args=[workspace.public_id])

    assert sign_in(Client(), alice.email, next=page)["Location"] == page


def _host_led_to(page: str, response: Any) -> str | None:
    """As a browser reads it: backslashes are slashes, and what has no slash in front is relative to the page."""
    location: str = response["Location"]
    return urlsplit(urljoin(f"http://testserver{page}", location.replace("\\", "/"))).hostname
