"""What people do to the switch over all automatic payments is told in the audit log: once, and where it changes something."""

import pytest

from wallet.models import ChargingSwitch
from wallet.services import charging_switch
from wallet.services.charging_switch import RESTORED, pause_charging, resume_after_restore, set_charging
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


def test_it_does_not_end_the_pause_of_a_person_who_was_just_before_a_restores_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """B25: whoever has the switch's lock first is seen by the one who gets it next."""
    pause_charging(reason=RESTORED)
    really = charging_switch._locked_switch

    def after_a_person() -> ChargingSwitch:
        monkeypatch.setattr(charging_switch, "_locked_switch", really)
        set_charging(paused=True, reason="Looking into something.")
        return really()

    monkeypatch.setattr(charging_switch, "_locked_switch", after_a_person)

    resume_after_restore()

    assert charging_switch.charging_is_paused()
