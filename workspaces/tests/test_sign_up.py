"""Signing up, and moving to another address: nothing counts before the address is confirmed."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from workspaces import services
from workspaces.models import User
from workspaces.tests.conftest import PASSWORD
from workspaces.tests.signing_in import SIGNUP, is_signed_in, link_in, sign_in, signs_in


def test_it_lets_nobody_in_before_the_address_is_confirmed(db: None) -> None:
    browser = Client()
    browser.post(SIGNUP, {"name": "Erin Walsh", "email": "erin@northside.example", "password1": PASSWORD})
    assert not is_signed_in(browser)
    assert not signs_in(User.objects.get())

    address = link_in(mail.outbox[0])
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
    sign_in(browser, alice.email)

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
    sign_in(browser, user.email)
    suspended = browser.post("/accounts/email/", {"email": to, "action_add": ""})
    browser.post(suspended["Location"], {"password": PASSWORD})
    return link_in(next(message for message in mail.outbox if message.to == [to]))
