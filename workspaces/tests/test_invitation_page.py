"""The page behind an invitation's link, for everyone who may open it, and the way through sign-up."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from workspaces import services
from workspaces.models import Invitation, Membership, Role, User, Workspace
from workspaces.tests.conftest import PASSWORD

Browser = Callable[[User], Client]
Of = Callable[[User], Membership]
ERIN = "erin@northside.example"


@pytest.fixture
def invitation(workspace: Workspace, alice: User, membership_of: Of) -> Invitation:
    return services.invite_member(workspace, by=membership_of(alice), email=ERIN, role=Role.ADMIN)


@pytest.fixture
def address(invitation: Invitation) -> str:
    return reverse("workspaces:invitation", args=[services.invitation_token(invitation)])


def test_it_brings_someone_new_through_sign_up_without_a_second_mail(address: str, workspace: Workspace) -> None:
    browser = Client()
    page = browser.get(address).content.decode()
    sign_up = re.search(r'href="(/accounts/signup/[^"]+)"', page)
    assert sign_up is not None
    form = browser.get(sign_up[1].replace("&amp;", "&"))
    assert f'value="{ERIN}"' in form.content.decode()

    signed_up = browser.post("/accounts/signup/", {"name": "Erin Walsh", "email": ERIN, "password1": PASSWORD, "next": address})
    joined = browser.post(signed_up["Location"])

    assert signed_up["Location"] == address
    assert EmailAddress.objects.get(email=ERIN).verified
    assert mail.outbox == []
    assert joined["Location"] == reverse("workspaces:entry", args=[workspace.public_id])
    assert workspace.memberships.get(user__email=ERIN).role == Role.ADMIN


def test_it_proves_the_invited_address_and_no_other(address: str) -> None:
    browser = Client()
    browser.get(address)

    browser.post("/accounts/signup/", {"name": "Mallory", "email": "mallory@example.com", "password1": PASSWORD})

    assert [(address.email, address.verified) for address in EmailAddress.objects.filter(user__name="Mallory")] == [
        ("mallory@example.com", False)
    ]
    assert browser.get("/accounts/").status_code == 302


def test_it_proves_nothing_once_it_was_withdrawn(address: str, invitation: Invitation, alice: User, membership_of: Of) -> None:
    services.revoke_invitation(invitation, by=membership_of(alice))
    browser = Client()
    assert browser.get(address).status_code == 404

    browser.post("/accounts/signup/", {"name": "Erin", "email": ERIN, "password1": PASSWORD})

    assert not EmailAddress.objects.get(email=ERIN).verified


def test_it_brings_someone_with_an_account_through_sign_in(address: str, workspace: Workspace) -> None:
    services.add_user(ERIN, password=PASSWORD)
    browser = Client()
    assert browser.post(address)["Location"].startswith("/accounts/login/")

    signed_in = browser.post("/accounts/login/", {"login": ERIN, "password": PASSWORD, "next": address})

    assert signed_in["Location"] == address
    assert "Join as erin@northside.example" in browser.get(address).content.decode()
    browser.post(address)
    assert workspace.memberships.filter(user__email=ERIN).exists()


def test_it_changes_nothing_by_being_looked_at(address: str, workspace: Workspace, signed_in: Browser) -> None:
    browser = signed_in(services.add_user(ERIN))

    browser.get(address)

    assert not workspace.memberships.filter(user__email=ERIN).exists()


def test_it_tells_the_wrong_account_what_to_do(address: str, charlie: User, workspace: Workspace, signed_in: Browser) -> None:
    browser = signed_in(charlie)

    page = browser.get(address).content.decode()
    refused = browser.post(address)

    assert ERIN in page
    assert "charlie@elsewhere.example" in page
    assert "Sign out and continue" in page
    assert refused.status_code == 403
    assert not workspace.memberships.filter(user=charlie).exists()


def test_it_comes_back_after_signing_out_of_the_wrong_account(address: str, charlie: User, signed_in: Browser) -> None:
    assert signed_in(charlie).post("/accounts/logout/", {"next": address})["Location"] == address


@pytest.mark.parametrize("state", ["unknown", "withdrawn", "used", "expired"])
def test_it_says_that_a_link_no_longer_works(state: str, address: str, invitation: Invitation) -> None:
    now = timezone.now()
    changes = {"withdrawn": {"revoked_at": now}, "used": {"accepted_at": now}, "expired": {"expires_at": now - timedelta(days=1)}}
    if state == "unknown":
        address = reverse("workspaces:invitation", args=["nothing.like-it"])
    else:
        Invitation.objects.filter(pk=invitation.pk).update(**changes[state])

    response = Client().get(address)

    assert response.status_code == 404
    assert "This invitation no longer works" in response.content.decode()


def test_it_names_no_workspace_to_who_holds_a_dead_link(address: str, invitation: Invitation) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(revoked_at=timezone.now())

    assert "Northside" not in Client().get(address).content.decode()


def test_it_stays_out_of_caches(address: str) -> None:
    assert "no-store" in Client().get(address)["Cache-Control"]
