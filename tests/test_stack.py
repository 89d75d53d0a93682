"""The stack that browser tests stand on: it serves what a test has written, and forgets it before the next."""

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import expect

from tests.browser import Pages
from tests.stack import RunningStack

pytestmark = pytest.mark.xdist_group("browser")


@pytest.mark.parametrize("round_number", [1, 2])
def test_it_is_clean_for_each_test(stack: RunningStack, round_number: int) -> None:
    assert get_user_model().objects.count() == 0
    get_user_model().objects.create(email=f"alice-{round_number}@example.com")

    counted = stack.manage("shell", "-c", "from workspaces.models import User; print('users:', User.objects.count())")

    assert "users: 1" in counted
    assert stack.mails() == []
    assert stack.sandbox.state()["events"] == []


@pytest.mark.parametrize("phone", [False, True])
@pytest.mark.parametrize("dark", [False, True])
def test_it_shows_the_sign_in_page(pages: Pages, phone: bool, dark: bool) -> None:
    page = pages.open("/accounts/login/", phone=phone, dark=dark)

    expect(page.locator("input[name=login]")).to_be_visible()
