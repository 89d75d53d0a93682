"""What the operator is called for: work that waits for a worker, and not for somebody else's server."""

from datetime import timedelta

import pytest
from django.utils import timezone

from console import figures
from wallet.models import Delivery, EventType, Wallet, WebhookEndpoint
from wallet.services.outgoing import announce

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("fails", [False, True])
def test_it_calls_nobody_for_what_waits_for_an_endpoint_that_fails(wallet: Wallet, fails: bool) -> None:
    """Of the thousands for a customer's server that is down, all but the few that are tried stay due for days."""
    hour_ago = timezone.now() - timedelta(hours=1)
    WebhookEndpoint.objects.create(
        workspace=wallet.workspace, url="https://platform.example/hook", secret_sealed="sealed", failing_since=hour_ago if fails else None
    )
    announce(wallet.pk, event=EventType.LOW_BALANCE, data={}, key="told")
    Delivery.objects.update(next_attempt_at=hour_ago)

    (due,) = [due for due in figures.due_rows() if due.kind == "webhooks"]

    assert (due.count, due.is_late) == ((0, False) if fails else (1, True))
    assert figures.webhooks_waiting().count == 1
