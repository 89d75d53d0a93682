"""Receipts: a page and a PDF that say the same, whatever the names in them."""

from importlib import import_module
from io import BytesIO
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from pypdf import PdfReader

from billing.receipts import receipt_of, receipt_pdf
from billing.tests.conftest import SignedIn
from wallet.models import TopUp, Wallet
from wallet.services.wallets import open_wallet
from wallet.tests.builders import DOLLAR, dispute_of, open_top_up, paid_top_up, refund_of
from workspaces.models import User, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(wallet: Wallet) -> TopUp:
    """A top-up of $20 whose money arrived."""
    return a_paid_top_up(wallet)


def a_paid_top_up(wallet: Wallet) -> TopUp:
    Wallet.objects.filter(pk=wallet.pk).update(stripe_customer_id=f"cus_{wallet.pk}")
    wallet.refresh_from_db()
    top_up = paid_top_up(wallet, 20 * DOLLAR)
    TopUp.objects.filter(pk=top_up.pk).update(paid_with="Visa •••• 4242", resolved_at="2026-11-21T03:04:05Z")
    return TopUp.objects.get(pk=top_up.pk)


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)


@pytest.fixture(autouse=True)
def _seller(settings: Any) -> None:
    settings.OPERATOR_NAME = "Example Agents, Inc."
    settings.OPERATOR_ADDRESS = ["1 Main St", "Springfield"]
    settings.SUPPORT_EMAIL = "help@example.com"


def test_it_says_who_what_when_and_how(alices: Client, paid: TopUp, page: str) -> None:
    shown = alices.get(f"{page}/receipts/{paid.receipt_number}")
    file = alices.get(f"{page}/receipts/{paid.receipt_number}.pdf")

    assert file["Content-Type"] == "application/pdf"
    assert file["Content-Disposition"] == f'attachment; filename="receipt-{paid.receipt_number}.pdf"'
    for text in (shown.content.decode(), text_of(file.content)):
        for fact in ("Example Agents, Inc.", "1 Main St", "Springfield", "Northside Realty", str(paid.receipt_number), "$20.00"):
            assert fact in text, fact
        # In New York it was still the evening before.
        assert "November 20, 2026, 22:04 EST" in text
        assert "USD · US dollar" in text
        assert "Visa •••• 4242" in text
        assert "Paid" in text


def test_it_never_changes_its_words(paid: TopUp, settings: Any) -> None:
    """Renamed, moved, in another zone: what was given to the bookkeeper stays what it was."""
    before = receipt_of(paid)

    Workspace.objects.filter(pk=paid.wallet_id).update(name="Southside Homes", time_zone="Asia/Tokyo")
    settings.OPERATOR_NAME, settings.OPERATOR_ADDRESS = "Example Holdings", ["2 Side St", "Shelbyville"]

    after = receipt_of(TopUp.objects.get(pk=paid.pk))
    assert after == before
    assert (after.workspace, after.operator, after.operator_address) == (
        "Northside Realty",
        "Example Agents, Inc.",
        ["1 Main St", "Springfield"],
    )
    assert after.paid_on == "November 20, 2026, 22:04 EST"


def test_it_freezes_the_receipts_that_were_given_before(paid: TopUp, wallet: Wallet, settings: Any) -> None:
    """An upgrade: they keep from then on what they say that day. What brought no money gets none."""
    unpaid = open_top_up(wallet, DOLLAR)
    TopUp.objects.update(paid_by="", paid_to="", paid_zone="")
    before = receipt_of(TopUp.objects.get(pk=paid.pk))
    migration = import_module("wallet.migrations.0008_freeze_receipts")

    migration.freeze_receipts(apps, connection.schema_editor())

    Workspace.objects.filter(pk=paid.wallet_id).update(name="Southside Homes", time_zone="Asia/Tokyo")
    settings.OPERATOR_NAME, settings.OPERATOR_ADDRESS = "Example Holdings", []
    assert receipt_of(TopUp.objects.get(pk=paid.pk)) == before
    assert TopUp.objects.get(pk=unpaid.pk).paid_by == ""


def test_it_counts_refunds(paid: TopUp) -> None:
    refund_of(paid, 5 * DOLLAR)
    refund_of(paid, 3 * DOLLAR, status="failed")

    receipt = receipt_of(paid)

    assert receipt.status == "Paid, partly refunded"
    assert [line.value for line in receipt.refunds] == ["−$5.00"]
    assert "−$5.00" in text_of(receipt_pdf(receipt))


def test_it_says_when_everything_went_back(paid: TopUp) -> None:
    refund_of(paid, 20 * DOLLAR)

    assert receipt_of(paid).status == "Refunded"


def test_it_says_when_the_payment_is_disputed(paid: TopUp) -> None:
    dispute_of(paid, status="needs_response", withdrawn_micros=20 * DOLLAR)
    assert receipt_of(paid).status == "Disputed"

    dispute_of(paid, status="won", withdrawn_micros=20 * DOLLAR, reinstated_micros=20 * DOLLAR)
    assert receipt_of(paid).status == "Paid"


NAMES = {
    "greek": "Ωμέγα ΑΕ",
    "cyrillic": "Северная недвижимость",
    "arabic": "عقارات الشمال",
    "hebrew": "נדל״ן הצפון",
    "chinese": "北方房地产",
    "thai": "อสังหา",
    "emoji": "Sunny ☀️ Homes 🏡👨‍👩‍👧",
    "combining": "Z̸̛a̷l̵g̶o̴ Realty",
    "markup": "**bold** __under__ <b>x</b> &amp; {{ 7*7 }}",
    "line breaks": "one\ntwo\r\nthree\ttab",
    "long word": "W" * 100,
    "right to left mark": "abc\u202edef",
    "unprintable": "a\u0007b\u200bc\ufeffd",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_it_takes_any_name(alices: Client, paid: TopUp, page: str, name: str, settings: Any) -> None:
    TopUp.objects.filter(pk=paid.pk).update(paid_by=name, paid_to=name, paid_with=name)
    settings.SUPPORT_EMAIL = name

    file = alices.get(f"{page}/receipts/{paid.receipt_number}.pdf")

    assert len(PdfReader(BytesIO(file.content)).pages) == 1
    assert "$20.00" in text_of(file.content)
    assert alices.get(f"{page}/receipts/{paid.receipt_number}").status_code == 200


def test_it_writes_what_either_font_has(paid: TopUp) -> None:
    paid.paid_by = "Ωμέγα Северная"

    assert "Ωμέγα Северная" in text_of(receipt_pdf(receipt_of(paid)))


def test_it_is_alices_alone(bob: User, charlie: User, signed_in: SignedIn, elsewhere: Wallet, paid: TopUp, page: str) -> None:
    foreign = page.replace(paid.wallet.workspace.public_id, elsewhere.workspace.public_id)

    for user, start, status in ((bob, page, 403), (charlie, page, 404), (charlie, foreign, 404)):
        for tail in ("", ".pdf"):
            assert signed_in(user).get(f"{start}/receipts/{paid.receipt_number}{tail}").status_code == status


def test_it_gives_none_for_money_that_did_not_arrive(alices: Client, wallet: Wallet, page: str) -> None:
    open_top_up(wallet, DOLLAR)

    for number in ("W-999999", "None", "", "..%2f..%2fetc"):
        assert alices.get(f"{page}/receipts/{number}").status_code == 404


def test_it_writes_whole_yen(alice: User, workspace: Workspace) -> None:
    wallet = open_wallet(workspace, currency="jpy")
    top_up = a_paid_top_up(wallet)
    TopUp.objects.filter(pk=top_up.pk).update(amount_micros=2_000 * DOLLAR)

    receipt = receipt_of(TopUp.objects.get(pk=top_up.pk))

    assert receipt.amount == "¥2,000"
    assert "¥2,000" in text_of(receipt_pdf(receipt))


@pytest.mark.parametrize("number", ["%00", "W-%00", "☃", "x" * 300])
def test_it_finds_no_receipt_by_what_is_no_number(alices: Client, paid: TopUp, page: str, number: str) -> None:
    for ending in ("", ".pdf"):
        assert alices.get(f"{page}/receipts/{number}{ending}").status_code == 404
