"""Sending: the row is the job. Lost messages, dead mail servers and second workers change when a mail goes out, not how often."""

from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.utils import timezone

from workspaces import queries, services, tasks
from workspaces.models import SEND_ATTEMPTS_MAX, Invitation, Membership, Role, User, Workspace
from workspaces.tests.threads import at_once

Of = Callable[[User], Membership]


@pytest.fixture
def invitation(workspace: Workspace, alice: User, membership_of: Of) -> Invitation:
    return services.invite_member(workspace, by=membership_of(alice), email="erin@northside.example", role=Role.ADMIN)


def test_it_writes_who_invites_and_a_link_from_the_sites_own_address(invitation: Invitation) -> None:
    assert services.send_invitation(invitation.pk)

    message = mail.outbox[0]
    link = f"{settings.SITE_URL}/invitations/{services.invitation_token(invitation)}"
    assert message.to == ["erin@northside.example"]
    assert message.subject == f"Join Northside Realty on {settings.OPERATOR_NAME}"
    assert "Alice Moreau invites you to join Northside Realty as admin" in message.body
    assert link in message.body
    assert isinstance(message, mail.EmailMultiAlternatives)
    assert link in str(message.alternatives[0][0])


def test_it_sends_once(invitation: Invitation) -> None:
    tasks.send_invitation(invitation.pk)
    tasks.send_invitation(invitation.pk)
    tasks.sweep_invitations()

    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_it_sends_once_when_two_workers_take_it_at_once(transactional_db: None, invitation: Invitation) -> None:
    sent = at_once([lambda: services.send_invitation(invitation.pk), lambda: services.send_invitation(invitation.pk)])

    assert sorted(sent) == [False, True]
    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_it_wakes_a_worker_after_commit(transactional_db: None, invitation: Invitation, queued_tasks: Any) -> None:
    assert queued_tasks() == ["workspaces.tasks.send_invitation"]


def test_it_finds_what_was_never_woken(invitation: Invitation) -> None:
    tasks.sweep_invitations()

    assert [message.to for message in mail.outbox] == [["erin@northside.example"]]
    assert queries.invitations_to_send(limit=10) == []


def test_it_tries_again_after_the_mail_server_was_away(invitation: Invitation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", _disconnected)
    tasks.send_invitation(invitation.pk)
    monkeypatch.undo()
    assert queries.invitations_to_send(limit=10) == [], "not before its time"

    Invitation.objects.update(send_after=timezone.now() - timedelta(seconds=1))
    tasks.sweep_invitations()

    assert len(mail.outbox) == 1


def test_it_gives_up_after_the_last_attempt_and_says_so(invitation: Invitation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", _disconnected)
    for _ in range(SEND_ATTEMPTS_MAX + 2):
        Invitation.objects.update(send_after=timezone.now() - timedelta(seconds=1))
        tasks.sweep_invitations()

    given_up = Invitation.objects.get(pk=invitation.pk)
    assert given_up.send_attempts == SEND_ATTEMPTS_MAX
    assert given_up.is_unsendable


def test_it_sends_nothing_that_was_withdrawn(invitation: Invitation, alice: User, membership_of: Of) -> None:
    services.revoke_invitation(invitation, by=membership_of(alice))

    tasks.send_invitation(invitation.pk)
    tasks.sweep_invitations()

    assert mail.outbox == []


def test_it_leaves_a_renewed_one_due_when_the_old_mail_is_confirmed_late(
    invitation: Invitation, alice: User, membership_of: Of, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renewed_meanwhile(message: Any) -> int:
        services.resend_invitation(invitation, by=membership_of(alice))
        return 1

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", renewed_meanwhile)
    services.send_invitation(invitation.pk)

    assert queries.invitations_to_send(limit=10) == [invitation.pk]


def _disconnected(message: Any) -> int:
    raise SMTPServerDisconnected("Connection unexpectedly closed")
