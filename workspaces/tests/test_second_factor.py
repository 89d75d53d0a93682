"""The second factor: switching it on, signing in with it, and that the database alone holds no secret."""

import re
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command
from django.test import Client

from workspaces.models import AuditEntry, User
from workspaces.tests.conftest import PASSWORD

ACTIVATE = "/accounts/2fa/totp/activate/"


class Clock:
    """Which half minute it is."""

    half_minute = 1000

    def code(self, secret: str) -> str:
        """What an authenticator app shows now."""
        return str(totp.format_hotp_value(totp.hotp_value(secret, self.half_minute)))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(totp, "yield_hotp_counters_from_time", lambda: iter([clock.half_minute]))
    return clock


@pytest.fixture
def protected(alice: User, clock: Clock) -> tuple[User, str]:
    """Alice with a second factor, and its secret."""
    browser = _in(alice)
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    secret = re.search(r'id="totp-secret">(\w+)<', browser.get(ACTIVATE).content.decode())
    assert secret is not None
    browser.post(ACTIVATE, {"code": clock.code(secret[1])})
    clock.half_minute += 1
    return alice, secret[1]


def test_it_asks_for_the_password_before_it_is_switched_on(alice: User) -> None:
    assert _in(alice).get(ACTIVATE)["Location"].startswith("/accounts/reauthenticate/")


def test_it_stores_no_secret_in_the_clear(protected: tuple[User, str]) -> None:
    user, secret = protected

    stored = Authenticator.objects.get(user=user, type=Authenticator.Type.TOTP).data["secret"]

    assert secret not in stored
    assert get_adapter().decrypt(stored) == secret


def test_it_reads_secrets_while_the_key_is_being_rotated(protected: tuple[User, str], settings: Any) -> None:
    user, secret = protected
    stored = Authenticator.objects.get(user=user, type=Authenticator.Type.TOTP).data["secret"]

    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another-key-that-is-long-enough-for-this"

    assert get_adapter().decrypt(stored) == secret


def test_it_does_not_sign_in_by_password_alone(protected: tuple[User, str]) -> None:
    browser = Client()

    response = _send_password(browser, protected[0])

    assert response["Location"] == "/accounts/2fa/authenticate/"
    assert browser.get("/accounts/").status_code == 302


def test_it_signs_in_with_the_code(protected: tuple[User, str], clock: Clock) -> None:
    browser = Client()
    _send_password(browser, protected[0])

    wrong = browser.post("/accounts/2fa/authenticate/", {"code": "000000"})
    browser.post("/accounts/2fa/authenticate/", {"code": clock.code(protected[1])})

    assert wrong.status_code == 200
    assert browser.get("/accounts/").status_code == 200


def test_it_takes_a_code_once(protected: tuple[User, str], clock: Clock) -> None:
    first, second = Client(), Client()
    code = clock.code(protected[1])
    for browser in (first, second):
        _send_password(browser, protected[0])
        browser.post("/accounts/2fa/authenticate/", {"code": code})

    assert first.get("/accounts/").status_code == 200
    assert second.get("/accounts/").status_code == 302


def test_it_takes_a_recovery_code_once(protected: tuple[User, str]) -> None:
    codes = Authenticator.objects.get(user=protected[0], type=Authenticator.Type.RECOVERY_CODES).wrap().get_unused_codes()
    first, second = Client(), Client()
    for browser in (first, second):
        _send_password(browser, protected[0])
        browser.post("/accounts/2fa/authenticate/", {"code": codes[0]})

    assert first.get("/accounts/").status_code == 200
    assert second.get("/accounts/").status_code == 302


def test_it_limits_guesses_at_the_code(protected: tuple[User, str], clock: Clock) -> None:
    browser = Client()
    _send_password(browser, protected[0])
    for number in range(10):
        browser.post("/accounts/2fa/authenticate/", {"code": f"{number:06}"})

    browser.post("/accounts/2fa/authenticate/", {"code": clock.code(protected[1])})

    assert browser.get("/accounts/").status_code == 302


def test_it_is_taken_away_by_the_operator_alone_and_the_person_is_told(protected: tuple[User, str], mailoutbox: list[Any]) -> None:
    user, browser = protected[0], Client()
    call_command("reset_second_factor", user.email.upper(), "--reason", "She showed her passport", stdout=StringIO())
    _send_password(browser, user)

    assert browser.get("/accounts/").status_code == 200
    assert (mailoutbox[-1].to, mailoutbox[-1].subject) == ([user.email], "Your second factor was removed")
    assert AuditEntry.objects.get(action="person.second_factor_reset").reason == "She showed her passport"


@pytest.mark.parametrize(
    ("email", "reason", "why"),
    [
        ("alice@northside.example", " ", "how you made sure"),
        ("nobody@x.example", "r", "Nobody"),
        ("alice@northside.example", "r", "has no"),
    ],
)
def test_it_is_taken_from_nobody_without_a_reason(alice: User, email: str, reason: str, why: str) -> None:
    with pytest.raises(CommandError, match=why):
        call_command("reset_second_factor", email, "--reason", reason)


def test_it_says_so_where_the_person_could_not_be_told(protected: tuple[User, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> int:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(EmailMessage, "send", refuse)
    with pytest.raises(CommandError, match="tell them yourself"):
        call_command("reset_second_factor", protected[0].email, "--reason", "She showed her passport")

    assert not Authenticator.objects.exists()


def test_it_shows_its_pages_in_our_words(protected: tuple[User, str]) -> None:
    browser = Client()
    browser.force_login(protected[0])
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    expected = {
        "/accounts/2fa/": "Authenticator app",
        "/accounts/2fa/recovery-codes/": "Keep them where the phone is not",
        "/accounts/2fa/recovery-codes/generate/": "Make new recovery codes?",
        "/accounts/2fa/totp/deactivate/": "Switch off the second factor?",
        "/accounts/password/change/": "All other devices are signed out",
        "/accounts/email/": "Change your e-mail address",
        "/accounts/logout/": "Sign out?",
    }
    pages = {address: browser.get(address).content.decode() for address in expected}

    assert {address for address, words in expected.items() if words not in pages[address]} == set()
    assert all('class="btn' in page for page in pages.values())


def _in(user: User) -> Client:
    browser = Client()
    _send_password(browser, user)
    return browser


def _send_password(browser: Client, user: User) -> Any:
    return browser.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
