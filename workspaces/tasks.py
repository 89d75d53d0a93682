"""Celery's way in: an id, one service call. A task that is lost is found by the sweep, one that runs twice does no harm."""

from smtplib import SMTPException

import structlog
from celery import shared_task

from workspaces import queries, services

logger = structlog.get_logger(__name__)
SWEEP_SIZE = 100


@shared_task(name="workspaces.tasks.send_invitation")
def send_invitation(invitation_id: int) -> None:
    """Sends one invitation, if that is still due. A mail server that fails is asked again by the sweep."""
    try:
        services.send_invitation(invitation_id)
    except (OSError, SMTPException) as error:
        logger.warning("invitation_not_sent", invitation=invitation_id, error=str(error))


@shared_task(name="workspaces.tasks.forget_old_requests")
def forget_old_requests() -> None:
    """Removes kept answers that nobody asks for any more."""
    services.forget_old_requests()


@shared_task(name="workspaces.tasks.sweep_invitations")
def sweep_invitations() -> None:
    """Sends what waits: after a lost message, a killed worker or a mail server that was away."""
    for invitation_id in queries.invitations_to_send(limit=SWEEP_SIZE):
        send_invitation(invitation_id)
