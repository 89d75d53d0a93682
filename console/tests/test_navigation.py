"""The side bar and the list of tables: what each reader may open, under the names that people use."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.test import Client
from django.utils import timezone

from console.navigation import table_of
from console.templatetags.console import ago

pytestmark = pytest.mark.django_db


def test_it_has_a_name_for_every_table_of_ours() -> None:
    ours = ("wallet", "usage", "workspaces")
    nameless = [
        model._meta.label for model in admin.site._registry if model._meta.app_label in ours and not table_of(model._meta.label_lower)
    ]

    assert nameless == []


def test_it_lists_tables_by_what_they_are_about(sam: Client) -> None:
    assert "Deliveries of webhooks" in sam.get("/admin/").content.decode()
    assert sam.get("/admin/wallet/")["Location"] == "/admin/"


def test_it_shows_approvals_to_finance_alone(sam: Client, frances: Client) -> None:
    assert "Approvals" not in sam.get("/admin/").content.decode()
    assert "Approvals" in frances.get("/admin/").content.decode()


@pytest.mark.parametrize(("seconds", "words"), [(-5, "just now"), (59, "just now"), (61, "1\xa0minute ago"), (7_300, "2\xa0hours ago")])
def test_it_says_how_long_ago_in_words(seconds: int, words: str) -> None:
    assert f">{words}</time>" in ago(timezone.now() - timedelta(seconds=seconds))
