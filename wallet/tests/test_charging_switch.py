"""What people do to the switch over all automatic payments is told in the audit log: once, and where it changes something."""

import pytest

from wallet.services.charging_switch import RESTORED, pause_charging, set_charging
from workspaces.models import AuditEntry

pytestmark = pytest.mark.django_db


def told() -> list[tuple[str, str]]:
    """Every act and its reason, oldest first."""
    return list(AuditEntry.objects.order_by("pk").values_list("action", "reason"))


@pytest.mark.parametrize(("paused_by", "told_of"), [("", 1), (RESTORED, 1), ("20 charges within an hour.", 0)])
def test_it_tells_of_a_pause_that_is_a_persons_from_now_on(paused_by: str, told_of: int) -> None:
    """A restore's pause would have ended by itself, so whoever takes it over has stopped the charges; any other goes on as it was."""
    if paused_by:
        pause_charging(reason=paused_by)

    for _ in range(2):
        set_charging(paused=True, reason="Looking into something.")

    assert told() == [("charging.paused", "Looking into something.")] * told_of


def test_it_tells_once_that_charging_was_resumed() -> None:
    pause_charging(reason=RESTORED)

    for _ in range(2):
        set_charging(paused=False)

    assert told() == [("charging.resumed", "")]
