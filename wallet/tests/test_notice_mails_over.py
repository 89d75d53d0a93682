"""News that is over when its e-mail is due: it is dropped for good, and not sent as if it were true."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from wallet.ledger import lock_wallet
from wallet.models import AutomaticPayments, Card, Notice, Wallet, WebhookEndpoint
from wallet.services.automatic_suspension import lift
from wallet.services.cards import remove_card
from wallet.services.webhook_endpoints import switch_on
from wallet.tests.builders import DOLLAR, paid_top_up
from wallet.tests.news import (
    Stage,
    balance_used_up,
    calls_paused,
    card_expiring,
    confirm_payment,
    low_balance,
    send_all,
    suspended_after_three,
    webhook_failing,
)

Kind, Suspension = Notice.Kind, AutomaticPayments.Suspension


def paid_since(stage: Stage) -> None:
    stage.decline("insufficient_funds")
    paid_top_up(stage.wallet, 30 * DOLLAR)
    Notice.objects.filter(kind=Kind.RECEIPT).delete()


def lifted(stage: Stage) -> None:
    stage.suspend(Suspension.NO_CARD)
    with transaction.atomic():
        lift(lock_wallet(stage.wallet.pk), stage.rule)


def confirmed(stage: Stage) -> None:
    confirm_payment(stage)
    link = stage.rule.confirmation_link
    assert link is not None
    link.used_at = timezone.now()
    link.save(update_fields=["used_at"])


def cap_opened(stage: Stage) -> None:
    stage.notify(Kind.CAP_REACHED, "daily_charges:2026-07-21")


def card_removed(stage: Stage) -> None:
    AutomaticPayments.objects.update(is_active=False)
    card_expiring(stage)
    remove_card(stage.visa)


def card_renewed_since(stage: Stage) -> None:
    card_expiring(stage)
    Card.objects.filter(pk=stage.visa.pk).update(expiry_year=2030)


def money_came(tell: Callable[[Stage], list[str]]) -> Callable[[Stage], None]:
    def told(stage: Stage) -> None:
        tell(stage)
        paid_top_up(stage.wallet, 90 * DOLLAR)
        Notice.objects.filter(kind=Kind.RECEIPT).delete()

    told.__name__ = f"money_came_after_{tell.__name__}"
    return told


def used_up_again(stage: Stage) -> None:
    """The mail of the first time is not the second time's."""
    balance_used_up(stage)
    Wallet.objects.update(depleted_at=timezone.now() + timedelta(seconds=1))


def goes_on_again(stage: Stage) -> None:
    calls_paused(stage)
    Wallet.objects.update(overdraft_micros=90 * DOLLAR)


def webhook_on_again(stage: Stage) -> None:
    webhook_failing(stage)
    switch_on(WebhookEndpoint.objects.get())


OVER = [
    paid_since,
    lifted,
    confirmed,
    cap_opened,
    card_removed,
    card_renewed_since,
    *map(money_came, (low_balance, balance_used_up, calls_paused)),
    used_up_again,
    goes_on_again,
    webhook_on_again,
]


@pytest.mark.parametrize("tell", OVER, ids=lambda tell: tell.__name__)
def test_it_does_not_send_what_is_over(stage: Stage, tell: Callable[[Stage], None]) -> None:
    tell(stage)

    assert send_all() == []

    notice = Notice.objects.get()
    assert (notice.sent_at, notice.next_attempt_at) == (None, None), "dropped for good, and not as a fault"
    assert notice.last_error


def test_it_tells_of_the_last_failure_and_the_suspension_in_one(stage: Stage) -> None:
    suspended_after_three(stage)

    assert [message.subject for message in send_all()] == ["Automatic payments are suspended for A&B Calls"]
    assert Notice.objects.filter(kind=Kind.AUTOMATIC_FAILED).count() == 4
