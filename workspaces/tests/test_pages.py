"""The pages of this app: home and entry, settings, members, account, and the frame around them."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from workspaces import services
from workspaces.models import Invitation, Membership, Role, User, Workspace

Browser = Callable[[User], Client]
Of = Callable[[User], Membership]


def test_it_leads_home_to_the_only_workspace(alice: User, workspace: Workspace, signed_in: Browser) -> None:
    response = signed_in(alice).get("/", follow=True)

    assert response.redirect_chain[-1][0] == reverse("billing:billing", args=[workspace.public_id])
    assert response.status_code == 200


def test_it_leads_a_member_past_billing(bob: User, workspace: Workspace, signed_in: Browser) -> None:
    response = signed_in(bob).get("/", follow=True)

    assert response.redirect_chain[-1][0] == reverse("workspaces:settings", args=[workspace.public_id])


def test_it_leads_home_to_the_workspace_opened_last(alice: User, workspace: Workspace, signed_in: Browser) -> None:
    services.create_workspace(alice, name="Another", time_zone="UTC")
    browser = signed_in(alice)
    browser.get(reverse("workspaces:members", args=[workspace.public_id]))

    assert signed_in(alice).get("/")["Location"] == reverse("workspaces:entry", args=[workspace.public_id])


def test_it_leads_someone_without_a_workspace_to_making_one(db: None, signed_in: Browser) -> None:
    assert signed_in(services.add_user("new@example.com")).get("/")["Location"] == reverse("billing:create_workspace")


def test_it_leads_a_visitor_to_sign_in(db: None) -> None:
    assert Client().get("/")["Location"] == "/accounts/login/?next=/"


def test_it_shows_a_member_no_billing_and_no_controls(bob: User, workspace: Workspace, signed_in: Browser) -> None:
    settings = signed_in(bob).get(reverse("workspaces:settings", args=[workspace.public_id])).content.decode()
    members = signed_in(bob).get(reverse("workspaces:members", args=[workspace.public_id])).content.decode()

    assert reverse("billing:billing", args=[workspace.public_id]) not in settings
    assert reverse("workspaces:save_settings", args=[workspace.public_id]) not in settings
    assert reverse("workspaces:invite", args=[workspace.public_id]) not in members
    assert "Alice Moreau" in members


def test_it_shows_an_admin_billing_and_controls(
    dana: User, alice: User, workspace: Workspace, signed_in: Browser, membership_of: Of
) -> None:
    members = signed_in(dana).get(reverse("workspaces:members", args=[workspace.public_id])).content.decode()

    assert reverse("billing:billing", args=[workspace.public_id]) in members
    assert reverse("workspaces:invite", args=[workspace.public_id]) in members
    assert reverse("workspaces:member", args=[workspace.public_id, membership_of(dana).pk]) in members
    assert reverse("workspaces:member", args=[workspace.public_id, membership_of(alice).pk]) not in members


def test_it_shows_invitations_to_those_who_may_invite(
    alice: User, bob: User, workspace: Workspace, signed_in: Browser, membership_of: Of
) -> None:
    services.invite_member(workspace, by=membership_of(alice), email="erin@northside.example", role=Role.MEMBER)
    page = reverse("workspaces:members", args=[workspace.public_id])

    assert "erin@northside.example" in signed_in(alice).get(page).content.decode()
    assert "erin@northside.example" not in signed_in(bob).get(page).content.decode()


def test_it_renames_the_workspace(alice: User, workspace: Workspace, signed_in: Browser) -> None:
    response = signed_in(alice).post(
        reverse("workspaces:save_settings", args=[workspace.public_id]), {"name": " Southside\r\nRealty ", "time_zone": "Europe/Paris"}
    )

    workspace.refresh_from_db()
    assert response.status_code == 302
    assert (workspace.name, workspace.time_zone) == ("Southside Realty", "Europe/Paris")


@pytest.mark.parametrize("wrong", [{"name": "  "}, {"name": "x" * 101}, {"time_zone": "Mars/Olympus"}, {"time_zone": "../../etc/passwd"}])
def test_it_refuses_settings_that_cannot_be(alice: User, workspace: Workspace, signed_in: Browser, wrong: dict[str, str]) -> None:
    response = signed_in(alice).post(
        reverse("workspaces:save_settings", args=[workspace.public_id]), {"name": "Fine", "time_zone": "Europe/Paris", **wrong}
    )

    workspace.refresh_from_db()
    assert response.status_code == 422
    assert workspace.name == "Northside Realty"


def test_it_keeps_an_old_zone_that_the_list_leaves_out(alice: User, workspace: Workspace, signed_in: Browser) -> None:
    services.change_time_zone(workspace, time_zone="US/Eastern")

    response = signed_in(alice).post(
        reverse("workspaces:save_settings", args=[workspace.public_id]), {"name": "Fine", "time_zone": "US/Eastern"}
    )

    assert response.status_code == 302


def test_it_ignores_fields_that_a_form_does_not_have(alice: User, workspace: Workspace, signed_in: Browser) -> None:
    signed_in(alice).post(
        reverse("workspaces:save_settings", args=[workspace.public_id]),
        {"name": "Fine", "time_zone": "UTC", "public_id": "ws_mine", "external_id": "x", "balance_micros": "1"},
    )

    assert Workspace.objects.get(pk=workspace.pk).public_id == workspace.public_id
    assert Workspace.objects.get(pk=workspace.pk).external_id is None


def test_it_invites_from_the_page(dana: User, workspace: Workspace, signed_in: Browser) -> None:
    response = signed_in(dana).post(
        reverse("workspaces:invite", args=[workspace.public_id]), {"email": "erin@northside.example", "role": "member"}
    )

    assert response["Location"] == reverse("workspaces:members", args=[workspace.public_id])
    assert Invitation.objects.get().invited_by == dana


def test_it_offers_an_admin_no_owner_to_make(dana: User, workspace: Workspace, signed_in: Browser) -> None:
    browser, page = signed_in(dana), reverse("workspaces:invite", args=[workspace.public_id])

    assert 'value="owner"' not in browser.get(page).content.decode()
    assert browser.post(page, {"email": "erin@northside.example", "role": "owner"}).status_code == 422
    assert not Invitation.objects.exists()


def test_it_leaves_the_dialog_after_a_form_was_accepted(alice: User, workspace: Workspace, signed_in: Browser) -> None:
    response = signed_in(alice).post(
        reverse("workspaces:invite", args=[workspace.public_id]),
        {"email": "erin@northside.example", "role": "member"},
        headers={"HX-Request": "true"},
    )

    assert response["HX-Redirect"] == reverse("workspaces:members", args=[workspace.public_id])


def test_it_shows_the_same_form_as_a_page_and_in_a_dialog(alice: User, workspace: Workspace, signed_in: Browser) -> None:
    browser, address = signed_in(alice), reverse("workspaces:invite", args=[workspace.public_id])

    page = browser.get(address).content.decode()
    part = browser.get(address, headers={"HX-Request": "true"}).content.decode()

    assert "<html" in page
    assert "<html" not in part
    assert 'name="email"' in page
    assert 'name="email"' in part


def test_it_says_why_a_member_cannot_be_removed(alice: User, workspace: Workspace, signed_in: Browser, membership_of: Of) -> None:
    response = signed_in(alice).post(reverse("workspaces:remove", args=[workspace.public_id, membership_of(alice).pk]))

    assert response.status_code == 422
    assert "at least one owner" in response.content.decode()


def test_it_removes_a_member(alice: User, bob: User, workspace: Workspace, signed_in: Browser, membership_of: Of) -> None:
    address = reverse("workspaces:remove", args=[workspace.public_id, membership_of(bob).pk])

    assert signed_in(alice).get(address).status_code == 200
    assert workspace.memberships.filter(user=bob).exists(), "asking changes nothing"
    signed_in(alice).post(address)

    assert not workspace.memberships.filter(user=bob).exists()


def test_it_changes_a_role(alice: User, bob: User, workspace: Workspace, signed_in: Browser, membership_of: Of) -> None:
    signed_in(alice).post(reverse("workspaces:member", args=[workspace.public_id, membership_of(bob).pk]), {"role": "admin"})

    assert membership_of(bob).role == Role.ADMIN


def test_it_withdraws_and_sends_again_from_the_page(alice: User, workspace: Workspace, signed_in: Browser, membership_of: Of) -> None:
    invitation = services.invite_member(workspace, by=membership_of(alice), email="erin@northside.example", role=Role.MEMBER)
    browser = signed_in(alice)

    browser.post(reverse("workspaces:resend_invitation", args=[workspace.public_id, invitation.pk]))
    assert Invitation.objects.get().times_sent == 2
    browser.post(reverse("workspaces:revoke_invitation", args=[workspace.public_id, invitation.pk]))
    assert Invitation.objects.get().revoked_at is not None
    again = browser.post(reverse("workspaces:revoke_invitation", args=[workspace.public_id, invitation.pk]), follow=True)
    assert "used, withdrawn" in again.content.decode()


def test_it_reaches_no_invitation_of_another_workspace(alice: User, workspace: Workspace, charlie: User, signed_in: Browser) -> None:
    elsewhere = Membership.objects.get(user=charlie)
    foreign = services.invite_member(elsewhere.workspace, by=elsewhere, email="x@elsewhere.example", role=Role.MEMBER)

    for name in ("resend_invitation", "revoke_invitation"):
        assert signed_in(alice).post(reverse(f"workspaces:{name}", args=[workspace.public_id, foreign.pk])).status_code == 404
    assert Invitation.objects.get().times_sent == 1


def test_it_changes_a_persons_name(bob: User, signed_in: Browser) -> None:
    signed_in(bob).post(reverse("workspaces:account"), {"name": "Robert Tanaka", "is_staff": "on", "email": "root@example.com"})

    bob.refresh_from_db()
    assert (bob.name, bob.is_staff, bob.email) == ("Robert Tanaka", False, "bob@northside.example")


def test_it_offers_a_second_factor_to_those_who_hold_money(alice: User, bob: User, workspace: Workspace, signed_in: Browser) -> None:
    page = reverse("workspaces:members", args=[workspace.public_id])

    assert "Add a second factor" in signed_in(alice).get(page).content.decode()
    assert "Add a second factor" not in signed_in(bob).get(page).content.decode()


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "{{7*7}}", '"><img src=x onerror=alert(1)>', "=1+1"])
def test_it_shows_names_as_text(alice: User, workspace: Workspace, signed_in: Browser, name: str) -> None:
    services.rename_workspace(workspace, name=name)
    services.rename_user(alice, name=name)

    page = signed_in(alice).get(reverse("workspaces:members", args=[workspace.public_id])).content.decode()

    assert escape(name) in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page
