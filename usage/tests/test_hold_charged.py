"""One use under one hold is charged once, however its report and its capture are mixed."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from usage.cloud_events import CloudEvent, UseData, made_here
from usage.models import KeptEvent, Meter
from usage.services.default_prices import seed_default_prices
from usage.services.holds import UseRequest, capture_use, hold_for_use
from usage.services.ingestion import Reporter, Taken, take_events
from wallet.errors import AlreadyResolved
from wallet.models import Hold, Transfer, Wallet
from wallet.services.promotions import grant_promotion
from wallet.services.wallets import open_wallet
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def hold() -> Hold:
    """An outbound call that was held for, in a wallet with money."""
    seed_default_prices()
    wallet = open_wallet(Workspace.objects.create(name="Alice"), currency="usd")
    grant_promotion(wallet, amount_micros=10_000_000, reason="Welcome", expires_at=None, idempotency_key="welcome")
    request = UseRequest(meter=Meter.objects.get(pk="call_out"), destination="+14155550142", expected_quantity=60)
    held = hold_for_use(wallet.pk, request, idempotency_key="call-1").hold
    assert held is not None
    return held


def report(hold: Hold, *, event_id: str, meter: str = "call_out") -> tuple[Taken, str]:
    """Report the use under the hold by an event of the platform's own."""
    subject = Workspace.objects.get(pk=hold.wallet_id).public_id
    data = UseData(quantity=60, to="+14155550142", hold=str(UUID(str(hold.id))))
    event = CloudEvent(id=event_id, source="/calls", type=meter, specversion="1.0", subject=subject, data=data)
    (outcome,) = take_events([made_here(event)], reporter=Reporter())
    return outcome.taken, outcome.code


def charges(hold: Hold) -> int:
    return Transfer.objects.filter(wallet_id=hold.wallet_id, kind="call_out").count()


def test_it_keeps_an_event_aside_when_the_hold_was_captured(hold: Hold) -> None:
    capture_use(hold, quantity=60, reporter=Reporter())

    assert report(hold, event_id="call-1") == (Taken.KEPT_ASIDE, "hold_charged")
    assert charges(hold) == 1
    assert KeptEvent.objects.get().code == "hold_charged"


def test_it_keeps_a_second_event_of_the_same_use_aside(hold: Hold) -> None:
    assert report(hold, event_id="call-1") == (Taken.CHARGED, "")

    assert report(hold, event_id="call-1-again") == (Taken.KEPT_ASIDE, "hold_charged")
    assert charges(hold) == 1


def test_it_refuses_a_capture_after_a_late_event(hold: Hold) -> None:
    Hold.objects.filter(pk=hold.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    assert report(hold, event_id="call-1") == (Taken.CHARGED, "")

    hold.refresh_from_db()
    with pytest.raises(AlreadyResolved):
        capture_use(hold, quantity=60, reporter=Reporter())
    assert charges(hold) == 1


def test_it_charges_other_meters_under_the_same_hold(hold: Hold) -> None:
    assert report(hold, event_id="call-1") == (Taken.CHARGED, "")

    assert report(hold, event_id="task-1", meter="ai_task") == (Taken.CHARGED, "")


def test_it_does_not_answer_an_old_key_with_a_resolved_hold(hold: Hold) -> None:
    capture_use(hold, quantity=60, reporter=Reporter())
    request = UseRequest(meter=Meter.objects.get(pk="call_out"), destination="+14155550142", expected_quantity=60)

    with pytest.raises(AlreadyResolved):
        hold_for_use(Wallet.objects.get(pk=hold.wallet_id).pk, request, idempotency_key="call-1")
