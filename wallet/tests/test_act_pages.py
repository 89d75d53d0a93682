"""The operator's acts, each by its page: what it does, what it refuses, and who else must agree."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from wallet import stripe_gateway
from wallet.models import Adjustment, Notice, PaymentLink, Promotion, RefundRequest, Transfer, Wallet, WalletClosing, WalletFreeze
from wallet.services.freezing import freeze_wallet
from wallet.services.refund_requests import request_refund
from wallet.tests.builders import DOLLAR, balance_of
from wallet.tests.desk import Desk
from wallet.tests.staff import new_form, signed_in, staff_acts


def test_it_adjusts_and_says_so(desk: Desk) -> None:
    response = signed_in(desk.frances).post(
        desk.address("adjust"),
        {"form_id": new_form(), "reason": "Typo", "direction": "out", "amount": "0.075", "words": "Correction"},
        follow=True,
    )

    assert "The adjustment is booked." in response.content.decode()
    assert "−$0.0750" in response.content.decode()
    assert balance_of(desk.wallet) == 199_925_000
    assert Transfer.objects.latest("seq").description == "Correction"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"amount": "-5"}, "Enter an amount"),
        ({"amount": "1e3"}, "Enter an amount"),
        ({"amount": "0"}, "more than nothing"),
        ({"amount": "0.0000001"}, "Enter an amount"),
        ({"amount": "9999999"}, "at most $1,000,000.00"),
        ({"direction": ""}, "required"),
        ({"direction": "out", "amount": "500"}, "more than is available"),
        ({"words": "x" * 201}, "at most 200"),
    ],
)
def test_it_refuses_what_is_no_adjustment(desk: Desk, fields: dict[str, str], words: str) -> None:
    response = desk.adjust(**fields)

    assert response.status_code == 422
    assert words in response.content.decode()
    assert (Adjustment.objects.count(), staff_acts().count()) == (0, 0)


def test_it_takes_the_wallet_below_zero_where_that_is_ticked(desk: Desk) -> None:
    desk.adjust("250", direction="out", may_go_below_zero="on")
    desk.post("adjustment", Adjustment.objects.get().pk, by=desk.felix, decision="approve")

    assert balance_of(desk.wallet) == -50 * DOLLAR


def test_it_is_approved_by_another_of_finance(desk: Desk) -> None:
    asked = desk.adjust("150")
    assert asked.status_code == 302
    pk = Adjustment.objects.get().pk
    own = signed_in(desk.frances).get(desk.address("adjustment", pk)).content.decode()
    assert "Approve" not in own
    assert "Withdraw" in own
    assert desk.post("adjustment", pk, decision="approve").status_code == 422
    listed = signed_in(desk.felix).get(reverse("console:proposals")).content.decode()
    assert desk.address("adjustment", pk) in listed

    answers = [desk.post("adjustment", pk, by=desk.felix, decision="approve").status_code for _ in range(2)]

    assert (answers, balance_of(desk.wallet)) == ([302, 302], 350 * DOLLAR)
    assert list(staff_acts().order_by("pk").values_list("action", "actor__email")) == [
        ("adjustment.requested", desk.frances.email),
        ("adjustment.approved", desk.felix.email),
    ]


def test_it_rejects_only_with_a_reason(desk: Desk) -> None:
    desk.adjust("150")
    pk = Adjustment.objects.get().pk

    assert desk.post("adjustment", pk, by=desk.felix, decision="reject", reason="").status_code == 422
    assert desk.post("adjustment", pk, by=desk.felix, decision="reject", reason="No ticket").status_code == 302

    assert Adjustment.objects.get().decision_reason == "No ticket"
    assert desk.post("adjustment", pk, by=desk.felix, decision="nonsense").status_code == 422


def test_it_grants_until_the_end_of_the_day_where_the_customer_is(desk: Desk) -> None:
    desk.wallet.workspace.time_zone = "America/New_York"
    desk.wallet.workspace.save(update_fields=["time_zone"])

    assert desk.post("grant", amount="20", words="Welcome", expires_on="2030-06-30").status_code == 302

    promotion = Promotion.objects.get()
    assert promotion.expires_at is not None
    assert (promotion.expires_at.isoformat(), promotion.reason) == ("2030-07-01T04:00:00+00:00", "Welcome")
    assert desk.post("grant", amount="20", words="Welcome", expires_on="2020-01-01").status_code == 422


def test_it_refunds_and_proposes_the_unspent_part(desk: Desk, stripe: list[str]) -> None:
    page = signed_in(desk.frances).get(desk.address("refund", desk.top_up.pk)).content.decode()
    assert re.search(r'name="amount" value="200"', page)

    desk.post("refund", desk.top_up.pk, amount="50")

    request = RefundRequest.objects.get()
    assert (request.status, stripe, balance_of(desk.wallet)) == ("done", [f"refund-{request.pk}"], 150 * DOLLAR)
    assert "$150.00" in signed_in(desk.frances).get(desk.address("refunds")).content.decode()


def test_it_sends_a_large_refund_once_it_is_approved(desk: Desk, stripe: list[str]) -> None:
    desk.post("refund", desk.top_up.pk, amount="150")
    pk = RefundRequest.objects.get().pk
    assert stripe == []

    for _ in range(2):
        desk.post("refund_request", pk, by=desk.felix, decision="approve")

    assert stripe == [f"refund-{pk}"]


@pytest.mark.parametrize(("by", "decision"), [("felix", "reject"), ("frances", "withdraw")])
def test_it_turns_a_refund_down(desk: Desk, stripe: list[str], by: str, decision: str) -> None:
    desk.post("refund", desk.top_up.pk, amount="150")

    response = desk.post("refund_request", RefundRequest.objects.get().pk, by=getattr(desk, by), decision=decision)

    desk.wallet.refresh_from_db()
    assert (response.status_code, desk.wallet.held_micros, stripe) == (302, 0, [])


def test_it_gives_up_only_what_a_person_must_look_at(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    request = request_refund(desk.top_up, amount_micros=DOLLAR, reason="r", request_id=new_form(), by=desk.frances)
    monkeypatch.setattr(stripe_gateway, "refunds_of_payment", lambda _: iter(()))
    assert desk.post("refund_request", request.pk, decision="give_up").status_code == 422
    RefundRequest.objects.update(status="manual_review")

    assert "Look once more" in signed_in(desk.felix).get(desk.address("refund_request", request.pk)).content.decode()
    assert desk.post("refund_request", request.pk, decision="give_up").status_code == 302

    assert RefundRequest.objects.get().status == "failed"


def test_it_freezes_and_opens_again(desk: Desk) -> None:
    desk.post("freeze")
    assert desk.post("freeze").status_code == 422
    freeze = WalletFreeze.objects.get()
    page = signed_in(desk.felix).get(desk.address("acts")).content.decode()
    assert "Asked by phone" in page
    assert desk.address("unfreeze") in page

    for _ in range(2):
        assert desk.post("unfreeze", freeze=str(freeze.pk), reason="All is well").status_code == 302

    assert Wallet.objects.get(pk=desk.wallet.pk).frozen_at is None
    assert list(staff_acts().order_by("pk").values_list("action", "reason")) == [
        ("wallet.frozen", "Asked by phone"),
        ("wallet.unfrozen", "All is well"),
    ]


def test_it_opens_no_later_freeze_by_an_old_form(desk: Desk) -> None:
    desk.post("freeze")
    old = WalletFreeze.objects.get()
    desk.post("unfreeze", freeze=str(old.pk))
    freeze_wallet(desk.wallet, reason="Again", request_id=new_form(), by=desk.felix)

    desk.post("unfreeze", freeze=str(old.pk))

    assert Wallet.objects.get(pk=desk.wallet.pk).frozen_at is not None


def test_it_closes_once_a_second_one_agrees(desk: Desk, stripe: list[str]) -> None:
    desk.post("close")
    closing = WalletClosing.objects.get()
    assert Wallet.objects.get(pk=desk.wallet.pk).closed_at is None

    desk.post("closing", closing.pk, by=desk.felix, decision="approve")

    closing.refresh_from_db()
    assert (closing.status, Wallet.objects.get(pk=desk.wallet.pk).closed_at is not None) == ("refunding", True)
    assert RefundRequest.objects.get().closing == closing
    page = signed_in(desk.felix).get(desk.address("closing", closing.pk)).content.decode()
    assert "refunds that are under way" in page


def test_it_mails_a_link_again_to_one_who_has_had_it(desk: Desk) -> None:
    for _ in range(2):
        assert desk.post("resend_link", desk.link.pk, recipient="finance@customer.example").status_code == 302

    assert list(Notice.objects.filter(kind="payment_link").values_list("recipient", flat=True)) == ["finance@customer.example"] * 2
    entry = staff_acts().latest("pk")
    assert (entry.action, entry.target, entry.before["mails"], entry.after["mails"]) == (
        "payment_link.resent",
        "finance@customer.example",
        1,
        2,
    )


def test_it_mails_no_link_that_is_over(desk: Desk) -> None:
    PaymentLink.objects.update(withdrawn_at=timezone.now())

    assert desk.post("resend_link", desk.link.pk, recipient="finance@customer.example").status_code == 422


def test_it_writes_hostile_reasons_as_text(desk: Desk) -> None:
    desk.adjust("150", reason="<script>alert(1)</script>", words="<b>bold</b>")

    for address in (reverse("console:proposals"), desk.address("acts"), desk.address("adjustment", Adjustment.objects.get().pk)):
        page = signed_in(desk.felix).get(address).content.decode()
        assert "<script>alert" not in page
        assert "<b>bold" not in page
