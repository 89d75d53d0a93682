"""What a session is worth (S10): made new at sign-in, over at sign-out, and all over once the password is another."""

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.test import Client

from workspaces.models import User
from workspaces.tests.conftest import PASSWORD
from workspaces.tests.signing_in import NEW_PASSWORD, RESET, is_signed_in, link_in, sign_in


def test_it_gives_a_new_session_at_sign_in(alice: User) -> None:
    planted = SessionStore()
    planted.create()
    browser = Client()
    browser.cookies[settings.SESSION_COOKIE_NAME] = str(planted.session_key)

    sign_in(browser, alice.email)

    assert _session(browser) != planted.session_key
    assert not SessionStore(session_key=planted.session_key).exists(str(planted.session_key))


def test_it_ends_the_session_at_sign_out(alice: User) -> None:
    browser, copied = Client(), Client()
    sign_in(browser, alice.email)
    copied.cookies[settings.SESSION_COOKIE_NAME] = _session(browser)
    assert is_signed_in(copied)

    browser.post("/accounts/logout/")

    assert not is_signed_in(copied)


def test_it_ends_all_other_sessions_when_the_password_changes(alice: User) -> None:
    here, elsewhere = Client(), Client()
    sign_in(here, alice.email)
    sign_in(elsewhere, alice.email)

    changed = here.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert changed.status_code == 302
    assert is_signed_in(here)
    assert not is_signed_in(elsewhere)


def test_it_ends_all_sessions_when_the_password_is_reset(alice: User) -> None:
    elsewhere, browser = Client(), Client()
    sign_in(elsewhere, alice.email)
    browser.post(RESET, {"email": alice.email})

    link = browser.get(link_in(mail.outbox[0]))["Location"]
    done = browser.post(link, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert done.status_code == 302
    assert not is_signed_in(elsewhere)
    assert not is_signed_in(browser), "a reset alone signs nobody in"
    assert sign_in(browser, alice.email, NEW_PASSWORD).status_code == 302


def test_it_takes_a_reset_link_once(alice: User) -> None:
    browser = Client()
    browser.post(RESET, {"email": alice.email})
    address = link_in(mail.outbox[0])
    browser.post(browser.get(address)["Location"], {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert "no longer works" in Client().get(address, follow=True).content.decode()


def _session(browser: Client) -> str:
    return browser.cookies[settings.SESSION_COOKIE_NAME].value
