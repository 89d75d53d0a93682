"""The side bar and the list of tables: what each reader may open, under the names that people use."""

import pytest
from django.contrib import admin
from django.test import Client

from console.navigation import table_of

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
