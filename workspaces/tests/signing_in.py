"""Signing in as a visitor does it, by the forms, for tests that look from outside."""

import re
from collections.abc import Callable
from typing import Any

from django.test import Client

from workspaces.models import User
from workspaces.tests.conftest import PASSWORD

Browser = Callable[[User], Client]
LOGIN, SIGNUP, RESET = "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"
NEW_PASSWORD = "staple battery horse"


def sign_in(browser: Client, email: str, password: str = PASSWORD, **extra: str) -> Any:
    return browser.post(LOGIN, {"login": email, "password": password, **extra})


def is_signed_in(browser: Client) -> bool:
    return bool(browser.get("/accounts/").status_code == 200)


def signs_in(user: User) -> bool:
    browser = Client()
    sign_in(browser, user.email)
    return is_signed_in(browser)


def link_in(message: Any) -> str:
    found = re.search(r"http://testserver(/\S+)", message.body)
    assert found is not None, message.body
    return found[1]
