"""Signing in and up, seen from outside: sessions, redirects, limits, what is given away about accounts."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import get_hasher
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.test import Client
from django.urls import reverse

from workspaces import services
from workspaces.models import User, Workspace
from workspaces.tests.conftest import PASSWORD

Browser = Callable[[User], Client]
LOGIN, SIGNUP, RESET = "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"
NEW_PASSWORD = "staple battery horse"
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


def _sign_in(browser: Client, email: str, password: str = PASSWORD, **extra: str) -> Any:
    return browser.post(LOGIN, {"login": email, "password": password, **extra})


def _session(browser: Client) -> str:
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


def _is_signed_in(browser: Client) -> bool:
    return bool(browser.get("/accounts/").status_code == 200)


def _link_in(message: Any) -> str:
    found = re.search(r"http://testserver(/\S+)", message.body)
    assert found is not None, message.body
    return found[1]


# ---------------------------------------------------------------- in and out


def test_it_signs_in_and_lands_in_the_workspace(alice: User, workspace: Workspace) -> None:
    browser = Client()

    response = _sign_in(browser, alice.email.upper())

    assert response["Location"] == "/"
    assert browser.get("/")["Location"] == reverse("workspaces:entry", args=[workspace.public_id])


def test_it_finds_the_short_address_of_sign_in(db: None) -> None:
    assert Client().get("/login?next=/w/x/")["Location"] == "/accounts/login/?next=/w/x/"


def test_it_signs_out_by_post_alone(alice: User, signed_in: Browser) -> None:
    browser = signed_in(alice)

    assert browser.get("/accounts/logout/").status_code == 200
    assert _is_signed_in(browser)
    browser.post("/accounts/logout/")

    assert not _is_signed_in(browser)


def test_it_lets_no_disabled_account_in(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    browser = Client()

    _sign_in(browser, alice.email)

    assert not _is_signed_in(browser)


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
    by_field = _sign_in(Client(), alice.email, next=target)

    assert (by_address.status_code, by_field.status_code) == (302, 302)
    assert {_host_led_to(LOGIN, by_address), _host_led_to(LOGIN, by_field)} == {"testserver"}


@pytest.mark.parametrize("target", EVIL)
def test_it_never_leads_off_the_site_on_the_way_out(alice: User, target: str, signed_in: Browser) -> None:
    response = signed_in(alice).post("/accounts/logout/", {"next": target})

    assert _host_led_to("/accounts/logout/", response) == "testserver"


def test_it_leads_back_to_the_page_that_was_asked_for(alice: User, workspace: Workspace) -> None:
    page = reverse("workspaces:members", args=[workspace.public_id])

    assert _sign_in(Client(), alice.email, next=page)["Location"] == page


# ---------------------------------------------------------------- S10: what a session is worth


def test_it_gives_a_new_session_at_sign_in(alice: User) -> None:
    planted = SessionStore()
    planted.create()
    browser = Client()
    browser.cookies[settings.SESSION_COOKIE_NAME] = str(planted.session_key)

    _sign_in(browser, alice.email)

    assert _session(browser) != planted.session_key
    assert not SessionStore(session_key=planted.session_key).exists(str(planted.session_key))


def test_it_ends_the_session_at_sign_out(alice: User) -> None:
    browser, copied = Client(), Client()
    _sign_in(browser, alice.email)
    copied.cookies[settings.SESSION_COOKIE_NAME] = _session(browser)
    assert _is_signed_in(copied)

    browser.post("/accounts/logout/")

    assert not _is_signed_in(copied)


def test_it_ends_all_other_sessions_when_the_password_changes(alice: User) -> None:
    here, elsewhere = Client(), Client()
    _sign_in(here, alice.email)
    _sign_in(elsewhere, alice.email)

    changed = here.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert changed.status_code == 302
    assert _is_signed_in(here)
    assert not _is_signed_in(elsewhere)


def test_it_ends_all_sessions_when_the_password_is_reset(alice: User) -> None:
    elsewhere, browser = Client(), Client()
    _sign_in(elsewhere, alice.email)
    browser.post(RESET, {"email": alice.email})

    link = browser.get(_link_in(mail.outbox[0]))["Location"]
    done = browser.post(link, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert done.status_code == 302
    assert not _is_signed_in(elsewhere)
    assert not _is_signed_in(browser), "a reset alone signs nobody in"
    assert _sign_in(browser, alice.email, NEW_PASSWORD).status_code == 302


def test_it_takes_a_reset_link_once(alice: User) -> None:
    browser = Client()
    browser.post(RESET, {"email": alice.email})
    address = _link_in(mail.outbox[0])
    browser.post(browser.get(address)["Location"], {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert "no longer works" in Client().get(address, follow=True).content.decode()


# ---------------------------------------------------------------- S11: guessing, and asking who is here


def test_it_stops_guessing_at_one_account(alice: User) -> None:
    for _ in range(20):
        _sign_in(Client(), alice.email, "wrong password")

    assert not _signs_in(alice), "the right password too, until the time is over"


def test_it_stops_one_password_against_many_accounts(alice: User) -> None:
    for number in range(20):
        _sign_in(Client(), f"user{number}@example.com", "Password123456")

    assert not _signs_in(alice), "nobody signs in from that address for a while"


def test_it_says_when_there_were_too_many_tries(db: None) -> None:
    answers = [_sign_in(Client(), f"user{number}@example.com", "Password123456") for number in range(40)]

    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert "Too many tries" in answers[-1].content.decode()


def test_it_answers_alike_for_a_wrong_password_and_no_account(alice: User) -> None:
    known = _sign_in(Client(), alice.email, "wrong password")
    unknown = _sign_in(Client(), "nobody@northside.example", "wrong password")

    assert known.status_code == unknown.status_code
    assert _bare(known).replace(alice.email, "X") == _bare(unknown).replace("nobody@northside.example", "X")


def test_it_answers_alike_to_a_reset_for_a_known_and_an_unknown_address(alice: User) -> None:
    known = Client().post(RESET, {"email": alice.email}, follow=True)
    unknown = Client().post(RESET, {"email": "nobody@northside.example"}, follow=True)

    assert _bare(known) == _bare(unknown)
    assert known.redirect_chain == unknown.redirect_chain
    assert "/password/reset/key/" not in mail.outbox[1].body


def test_it_answers_alike_to_signing_up_with_a_new_and_a_taken_address(alice: User) -> None:
    taken = Client().post(SIGNUP, {"name": "N", "email": alice.email, "password1": PASSWORD}, follow=True)
    new = Client().post(SIGNUP, {"name": "N", "email": "new@northside.example", "password1": PASSWORD}, follow=True)

    assert _bare(taken).replace(alice.email, "X") == _bare(new).replace("new@northside.example", "X")
    assert taken.redirect_chain == new.redirect_chain
    assert [message.subject for message in mail.outbox] == ["You have an account already", "Confirm your address"]


def test_it_hashes_as_often_for_no_account_as_for_a_wrong_password(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing is what takes time: an answer without it would come many times sooner, and tell who has an account."""
    hashed: list[str] = []
    hasher = get_hasher()
    encode = type(hasher).encode

    def counted(self: Any, password: str, *salt: Any, **more: Any) -> Any:
        hashed.append(password)
        return encode(self, password, *salt, **more)

    monkeypatch.setattr(type(hasher), "encode", counted)

    _sign_in(Client(), alice.email, "wrong password")
    known = len(hashed)
    _sign_in(Client(), "nobody@northside.example", "wrong password")

    assert len(hashed) == 2 * known > 0


def test_it_limits_resets_for_one_address(alice: User) -> None:
    for _ in range(12):
        Client().post(RESET, {"email": alice.email})

    assert len(mail.outbox) <= 5


# ---------------------------------------------------------------- signing up


def test_it_lets_nobody_in_before_the_address_is_confirmed(db: None) -> None:
    browser = Client()
    browser.post(SIGNUP, {"name": "Erin Walsh", "email": "erin@northside.example", "password1": PASSWORD})
    assert not _is_signed_in(browser)
    assert not _signs_in(User.objects.get())

    address = _link_in(mail.outbox[0])
    assert EmailAddress.objects.get().verified is False, "looking at the page confirms nothing"
    browser.post(address)

    assert EmailAddress.objects.get().verified
    assert User.objects.get().name == "Erin Walsh"


@pytest.mark.parametrize("password", ["short", "password1234", "erin@northside.example"])
def test_it_refuses_a_weak_password(db: None, password: str) -> None:
    response = Client().post(SIGNUP, {"name": "Erin", "email": "erin@northside.example", "password1": password})

    assert response.status_code == 200
    assert not User.objects.exists()


def test_it_says_so_when_the_mail_server_is_away(db: None, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9

    response = Client().post(SIGNUP, {"name": "Erin", "email": "erin@northside.example", "password1": PASSWORD}, follow=True)

    assert response.status_code == 200
    assert "could not be sent" in response.content.decode()


def test_it_asks_for_the_password_before_another_address(alice: User) -> None:
    browser = Client()
    _sign_in(browser, alice.email)

    response = browser.post("/accounts/email/", {"email": "alice@elsewhere.example", "action_add": ""})

    assert response["Location"].startswith("/accounts/reauthenticate/")
    assert mail.outbox == []


def test_it_moves_to_a_new_address_only_once_it_is_confirmed(alice: User) -> None:
    address = _ask_to_move(alice, to="alice@elsewhere.example")
    alice.refresh_from_db()
    assert alice.email == "alice@northside.example"

    Client().post(address)

    alice.refresh_from_db()
    assert alice.email == "alice@elsewhere.example"


def test_it_does_not_take_over_an_address_that_was_registered_meanwhile(alice: User) -> None:
    address = _ask_to_move(alice, to="bob@northside.example")
    services.add_user("bob@northside.example")

    response = Client().post(address, follow=True)

    alice.refresh_from_db()
    assert response.status_code == 200
    assert alice.email == "alice@northside.example"


def _ask_to_move(user: User, *, to: str) -> str:
    browser = Client()
    _sign_in(browser, user.email)
    suspended = browser.post("/accounts/email/", {"email": to, "action_add": ""})
    browser.post(suspended["Location"], {"password": PASSWORD})
    return _link_in(next(message for message in mail.outbox if message.to == [to]))


def _signs_in(user: User) -> bool:
    browser = Client()
    _sign_in(browser, user.email)
    return _is_signed_in(browser)


def _host_led_to(page: str, response: Any) -> str | None:
    """As a browser reads it: backslashes are slashes, and what has no slash in front is relative to the page."""
    location: str = response["Location"]
    return urlsplit(urljoin(f"http://testserver{page}", location.replace("\\", "/"))).hostname


def _bare(response: Any) -> str:
    return re.sub(r'(csrfmiddlewaretoken" value="|"X-CSRFToken": ")\w+', "", response.content.decode())
