"""Who gets in: nobody without a role, each role where it may, and no one into Django's own forms."""

from itertools import product
from typing import Any, cast
from uuid import UUID

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from console.site import ConsoleSite
from console.urls import console_urls
from usage.models import RateCard
from wallet.models import AutomaticPayments, ReconciliationRun, Transfer, Wallet
from wallet.tests.staff import signed_in, staff
from workspaces.models import User
from workspaces.staff import EVERY_ROLE, StaffRole

pytestmark = pytest.mark.django_db
ACTS = {
    "console_reconcile": {StaffRole.FINANCE},
    "console_explain": {StaffRole.FINANCE},
    "console_charging": {StaffRole.FINANCE},
    "console_kept_mend": {StaffRole.FINANCE, StaffRole.PRICING},
    "console_kept_replay": {StaffRole.FINANCE, StaffRole.PRICING},
    "console_kept_replay_all": {StaffRole.FINANCE, StaffRole.PRICING},
    "console_kept_discard": {StaffRole.FINANCE, StaffRole.PRICING},
    "console_price_import": {StaffRole.PRICING},
    "console_price_publish": {StaffRole.PRICING},
    "console_export_rows": {StaffRole.SUPPORT, StaffRole.FINANCE},
    "console_export_journal": {StaffRole.FINANCE},
    "console_export_file": {StaffRole.SUPPORT, StaffRole.FINANCE},
    "console_webhook_endpoints": {StaffRole.FINANCE},
    "console_webhook_endpoint": {StaffRole.FINANCE},
    "console_new_webhook_endpoint": {StaffRole.FINANCE},
    "console_edit_webhook_endpoint": {StaffRole.FINANCE},
    "console_switch_webhook_endpoint": {StaffRole.FINANCE},
    "console_remove_webhook_endpoint": {StaffRole.FINANCE},
    "console_test_webhook_endpoint": {StaffRole.FINANCE},
    "console_resend_failed_webhooks": {StaffRole.FINANCE},
    "console_reveal_webhook_secret": {StaffRole.FINANCE},
    "console_rotate_webhook_secret": {StaffRole.FINANCE},
    "console_webhook_delivery": {StaffRole.FINANCE},
    "console_webhook_delivery_row": {StaffRole.FINANCE},
    "console_resend_webhook": {StaffRole.FINANCE},
}
"""Whatever else there is may be read by every role."""
PATTERNS = {str(pattern.name): pattern for pattern in console_urls(cast(ConsoleSite, admin.site))}
TABLES = [model for model in admin.site._registry if model._meta.app_label in ("wallet", "usage", "workspaces")]


def address_of(name: str) -> str:
    """With something in each place: who may not open it never learns whether it is there."""
    given: dict[str, Any] = {"code": "unknown_meter", "export_id": UUID(int=1)}
    names = PATTERNS[name].pattern.converters
    return reverse(f"admin:{name}", kwargs={key: given.get(key, 1) for key in names})


def test_it_knows_who_each_page_is_for() -> None:
    listed = {name: set(getattr(pattern.callback, "staff_roles", ())) for name, pattern in PATTERNS.items()}

    assert listed == {name: ACTS.get(name, set(EVERY_ROLE)) for name in PATTERNS}
    assert set(ACTS) <= set(PATTERNS)


def test_it_opens_no_page_to_customers_or_to_staff_without_a_role() -> None:
    alice = signed_in(User.objects.create_user("alice@bakery.example"))
    nobody = signed_in(User.objects.create_user("norman@operator.example", is_staff=True))

    assert Client().get("/admin/login/", {"next": "/admin/"})["Location"].startswith("/accounts/login/")
    for name, method in product(PATTERNS, ("get", "post")):
        assert getattr(Client(), method)(address_of(name))["Location"].startswith("/admin/login/")
        for browser in (alice, nobody):
            assert getattr(browser, method)(address_of(name), follow=True).status_code == 403, name


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_it_refuses_acts_to_other_roles(role: StaffRole) -> None:
    browser = signed_in(staff("sam", role))

    for name, roles in ACTS.items():
        assert (browser.post(address_of(name)).status_code == 403) == (role not in roles), name


def test_it_lets_every_role_read_every_table_and_write_none(sam: Client, wallet: Wallet) -> None:
    for model in TABLES:
        info = f"{model._meta.app_label}_{model._meta.model_name}"
        assert sam.get(reverse(f"admin:{info}_changelist"), {"q": "alice"}).status_code == 200, info
        assert sam.get(reverse(f"admin:{info}_add")).status_code == 403, info
        row = model._default_manager.first()
        if row is not None:
            address = reverse(f"admin:{info}_change", args=[row.pk])
            assert sam.get(address, follow=True).status_code == 200, info
            assert sam.post(address, {"name": "x"}).status_code in (302, 403), info
            assert sam.post(reverse(f"admin:{info}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403, info
            assert model._default_manager.filter(pk=row.pk).exists()


def test_it_shows_a_member_of_staff_without_a_role_nothing() -> None:
    nobody = signed_in(User.objects.create_user("norman@operator.example", is_staff=True))

    for address in ("/admin/", reverse("admin:wallet_wallet_changelist")):
        assert nobody.get(address, follow=True).status_code == 403


def test_it_opens_nothing_to_a_password_alone(settings: Any, db: None) -> None:
    """Whoever has no second factor is led to where one is set up."""
    settings.STAFF_SECOND_FACTOR = True
    frances, root = staff("frances"), User.objects.create_superuser("root@operator.example")
    for browser in (signed_in(frances), signed_in(root)):
        for name, method in product(PATTERNS, ("get", "post")):
            assert getattr(browser, method)(address_of(name))["Location"].startswith("/admin/login/"), name
        assert browser.get("/admin/login/")["Location"] == reverse("mfa_activate_totp")
        assert "The console takes a second factor" in browser.get("/accounts/", follow=True).content.decode()
    alice = signed_in(User.objects.create_user("alice@bakery.example"))
    assert alice.get("/admin/", follow=True).status_code == 403

    TOTP.activate(frances, generate_totp_secret())

    assert signed_in(frances).get("/admin/").status_code == 200


def test_it_opens_everything_to_a_superuser(wallet: Wallet) -> None:
    root = signed_in(User.objects.create_superuser("root@operator.example"))

    assert root.get("/admin/").status_code == 200
    assert root.post(address_of("console_charging")).status_code == 422


def test_it_registers_no_table_that_could_change_the_books() -> None:
    assert Transfer not in admin.site._registry
    writable = {AutomaticPayments, ReconciliationRun, Wallet} | set(apps.get_app_config("wallet").get_models())
    for model in writable & set(admin.site._registry):
        page = admin.site._registry[model]
        assert type(page).has_change_permission.__qualname__.startswith("StaffReading"), model
    assert RateCard in admin.site._registry
