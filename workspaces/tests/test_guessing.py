"""Guessing passwords, and asking who has an account (S11): stopped, and answered alike."""

import re
from typing import Any

import pytest
from django.contrib.auth.hashers import get_hasher
from django.core import mail
from django.test import Client

from workspaces.models import User
from workspaces.tests.conftest import PASSWORD
from workspaces.tests.signing_in import RESET, SIGNUP, sign_in, signs_in


def test_it_stops_guessing_at_one_account(alice: User) -> None:
    for _ in range(20):
        sign_in(Client(), alice.email, "wrong password")

    assert not signs_in(alice), "the right password too, until the time is over"


def test_it_stops_one_password_against_many_accounts(alice: User) -> None:
    for number in range(20):
        sign_in(Client(), f"user{number}@example.com", "Password123456")

    assert not signs_in(alice), "nobody signs in from that address for a while"


def test_it_says_when_there_were_too_many_tries(db: None) -> None:
    answers = [sign_in(Client(), f"user{number}@example.com", "Password123456") for number in range(40)]

    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert "Too many tries" in answers[-1].content.decode()


def test_it_answers_alike_for_a_wrong_password_and_no_account(alice: User) -> None:
    known = sign_in(Client(), alice.email, "wrong password")
    unknown = sign_in(Client(), "nobody@northside.example", "wrong password")

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

    sign_in(Client(), alice.email, "wrong password")
    known = len(hashed)
    sign_in(Client(), "nobody@northside.example", "wrong password")

    assert len(hashed) == 2 * known > 0


def test_it_limits_resets_for_one_address(alice: User) -> None:
    for _ in range(12):
        Client().post(RESET, {"email": alice.email})

    assert len(mail.outbox) <= 5


def _bare(response: Any) -> str:
    return re.sub(r'(csrfmiddlewaretoken" value="|"X-CSRFToken": ")\w+', "", response.content.decode())
