"""The pages of the operator's acts: finance alone, nothing on GET, one form once."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from wallet import console_urls, stripe_gateway
from wallet.models import (
    Adjustment,
    Notice,
    PaymentLink,
    Promotion,
    PromotionGrant,
    RefundRequest,
    TopUp,
    Transfer,
    Wallet,
    WalletClosing,
    WalletFreeze,
)
from wallet.services.freezing import freeze_wallet
from wallet.services.payment_links import request_payment_link
from wallet.services.refund_requests import request_refund
from wallet.stripe_objects import RefundState
from wallet.tests.builders import DOLLAR, balance_of, make_wallet, paid_top_up
from wallet.tests.staff import new_form, signed_in, staff, staff_acts
from workspaces.models import AuditEntry, Membership, Role, User
from workspaces.staff import StaffRole

Page = Callable[["Desk"], str]


@dataclass
class Desk:
    """A wallet with $200 of paid money, a link, and Frances and Felix of finance."""

    wallet: Wallet
    top_up: TopUp
    link: PaymentLink
    frances: User
    felix: User

    def address(self, name: str, *arguments: object) -> str:
        return reverse(f"console:{name}", args=[self.wallet.workspace.public_id, *arguments])

    def post(self, name: str, *arguments: object, by: User | None = None, **fields: Any) -> Any:
        """What the form of that page sends."""
        return signed_in(by or self.frances).post(
            self.address(name, *arguments), {"form_id": new_form(), "reason": "Asked by phone"} | fields
        )

    def adjust(self, amount: str = "20", **fields: Any) -> Any:
        return self.post("adjust", **{"direction": "in", "amount": amount, "words": "Adjustment"} | fields)


@pytest.fixture
def desk(db: None) -> Desk:
    wallet = make_wallet()
    link = request_payment_link(
        wallet, purpose=PaymentLink.Purpose.PAY, amount_micros=20 * DOLLAR, request_id=new_form(), requested_by=None
    )
    return Desk(wallet, paid_top_up(wallet, 200 * DOLLAR), link, staff("frances"), staff("felix"))


@pytest.fixture(autouse=True)
def stripe(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the refunds that Stripe was asked for; each succeeds."""
    keys: list[str] = []

    def create(*, payment_id: str, amount_micros: int, currency: str, metadata: dict[str, str], idempotency_key: str) -> RefundState:
        keys.append(idempotency_key)
        name = f"re_{idempotency_key}"
        return RefundState(name, "succeeded", amount_micros, currency, payment_id, "", timezone.now(), metadata["refund_request_id"])

    monkeypatch.setattr(stripe_gateway, "create_refund", create)
    return keys


FORMS: dict[str, dict[str, Any]] = {
    "adjust": {"direction": "in", "amount": "20", "words": "Adjustment"},
    "grant": {"amount": "20", "words": "Welcome"},
    "refund": {"amount": "20"},
    "freeze": {},
    "close": {},
    "resend_link": {"recipient": "finance@customer.example"},
}
MADE = (Adjustment, PromotionGrant, RefundRequest, WalletFreeze, WalletClosing, Notice)


def _arguments(desk: Desk, name: str) -> list[object]:
    known: dict[str, list[object]] = {"refund": [desk.top_up.pk], "resend_link": [desk.link.pk]}
    return known.get(name, [])


def _pages(desk: Desk) -> list[str]:
    """Every address of the acts, with rows that exist."""
    desk.adjust("150")
    waiting = Adjustment.objects.get()
    return [
        reverse("console:proposals"),
        *(desk.address(name) for name in ("acts", "refunds", "unfreeze")),
        *(desk.address(name, *_arguments(desk, name)) for name in FORMS),
        desk.address("adjustment", waiting.pk),
        *(desk.address(name, uuid4()) for name in ("promotion", "refund_request", "closing")),
    ]


def _everything() -> list[int]:
    return [model._default_manager.count() for model in (*MADE, Transfer, Promotion, AuditEntry)]


# ---------------------------------------------------------------- who
def test_it_knows_every_page_of_the_acts(desk: Desk) -> None:
    assert len(_pages(desk)) == len(console_urls.urlpatterns)
    assert all(getattr(pattern.callback, "staff_roles", ()) == (StaffRole.FINANCE,) for pattern in console_urls.urlpatterns)


@pytest.mark.parametrize("role", [StaffRole.SUPPORT, StaffRole.PRICING])
def test_it_refuses_the_others_of_the_staff(desk: Desk, role: StaffRole) -> None:
    pages, before = _pages(desk), _everything()
    client = signed_in(staff("sam", role))

    for page in pages:
        assert client.get(page).status_code == 403, page
        assert client.post(page, {"form_id": new_form(), "reason": "r", "decision": "approve", **FORMS["adjust"]}).status_code == 403, page

    assert _everything() == before


@pytest.mark.parametrize("who", ["owner", "nobody", "dismissed"])
def test_it_lets_no_customer_in(desk: Desk, who: str) -> None:
    pages = _pages(desk)
    client = Client()
    if who != "nobody":
        person = staff("gone") if who == "dismissed" else User.objects.create_user("alice@customer.example", "correct horse battery")
        Membership.objects.create(workspace=desk.wallet.workspace, user=person, role=Role.OWNER)
        User.objects.filter(pk=person.pk).update(is_staff=False)
        client.force_login(person)
    before = _everything()

    for page in pages:
        for response in (
            client.get(page, follow=True),
            client.post(page, {**FORMS["adjust"], "form_id": new_form(), "reason": "r"}, follow=True),
        ):
            assert b"Available" not in response.content, page
            assert response.status_code == (200 if who == "nobody" else 403), page
            assert who != "nobody" or response.redirect_chain[-1][0].startswith("/accounts/login/"), page

    assert _everything() == before


def test_it_finds_rows_in_their_own_wallet_alone(desk: Desk) -> None:
    desk.adjust("150")
    other = Desk(make_wallet(name="Other"), desk.top_up, desk.link, desk.frances, desk.felix)
    client = signed_in(desk.felix)

    for address in (
        other.address("refund", desk.top_up.pk),
        other.address("resend_link", desk.link.pk),
        other.address("adjustment", Adjustment.objects.get().pk),
        reverse("console:adjust", args=["ws_of_nobody"]),
    ):
        assert client.get(address).status_code == 404
        assert client.post(address, {"decision": "approve"}).status_code == 404


# ---------------------------------------------------------------- how often
def test_it_does_nothing_on_get(desk: Desk) -> None:
    pages, before = _pages(desk), _everything()
    client = signed_in(desk.felix)

    answers = [
        client.get(page, FORMS["adjust"] | {"form_id": new_form(), "reason": "r", "decision": "approve"}).status_code for page in pages
    ]

    assert (sorted(answers), _everything()) == ([*[200] * 11, *[404] * 3], before)


@pytest.mark.parametrize("name", FORMS)
def test_it_acts_once_on_a_form_that_is_sent_again(desk: Desk, name: str) -> None:
    form, arguments = {"form_id": new_form(), **FORMS[name]}, _arguments(desk, name)

    answers = [desk.post(name, *arguments, **form) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [302] * 3
    assert len({answer.headers["Location"] for answer in answers}) == 1
    made = [model for model in MADE if model._default_manager.exists()]
    assert [model._default_manager.count() for model in made if model is not Notice] in ([1], [])
    # A closing tells its end in a row of its own, by the system.
    acts = staff_acts().exclude(action__in=["closing.done"])
    assert acts.count() == 1
    assert (acts.get().actor, acts.get().is_staff_act, acts.get().address) == (desk.frances, True, "127.0.0.1")


@pytest.mark.parametrize("name", FORMS)
def test_it_asks_for_a_reason_and_a_form_of_its_own(desk: Desk, name: str) -> None:
    if name != "resend_link":
        assert desk.post(name, *_arguments(desk, name), **FORMS[name], reason=" ").status_code == 422
    assert desk.post(name, *_arguments(desk, name), **FORMS[name], form_id="1").status_code == 422

    assert staff_acts().count() == 0


# ---------------------------------------------------------------- each
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
