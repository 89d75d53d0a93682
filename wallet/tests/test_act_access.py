"""The pages of the operator's acts: finance alone, nothing on GET, one form once."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from wallet import console_urls
from wallet.models import Adjustment, Notice, Promotion, PromotionGrant, RefundRequest, Transfer, WalletClosing, WalletFreeze
from wallet.tests.builders import make_wallet
from wallet.tests.desk import Desk
from wallet.tests.staff import new_form, signed_in, staff, staff_acts
from workspaces.models import AuditEntry, Membership, Role, User
from workspaces.staff import StaffRole

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
