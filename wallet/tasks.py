"""Celery's tasks: an id in, one service call. Each may run twice or never; the sweep finds what is due."""

from celery import shared_task

from wallet.models import PaymentLink
from wallet.services import cards, checkout, holds, inbox, mailing, promotions, reconciliation, top_ups
from wallet.services import sweep as sweeping


@shared_task
def sweep() -> None:
    sweeping.wake_everything_due()


@shared_task
def expire_due_holds() -> None:
    holds.expire_due_holds()


@shared_task
def reconcile_recent_payments() -> None:
    reconciliation.reconcile_since()


@shared_task
def handle_webhook_event(stripe_event_id: str) -> None:
    inbox.handle_event(stripe_event_id)


@shared_task
def charge_top_up(top_up_id: str) -> None:
    top_ups.charge_top_up(top_up_id)


@shared_task
def check_top_up(top_up_id: str) -> None:
    sweeping.check_top_up(top_up_id)


@shared_task
def check_card_setup(setup_id: str) -> None:
    sweeping.check_card_setup(setup_id)


@shared_task
def withdraw_payment_link(link_id: str) -> None:
    checkout.withdraw_payment_link(PaymentLink.objects.select_related("wallet__workspace").get(pk=link_id))


@shared_task
def send_notice(notice_id: int) -> None:
    mailing.send_notice(notice_id)


@shared_task
def detach_card(card_id: int) -> None:
    cards.detach_removed_card(card_id)


@shared_task
def expire_promotion(promotion_id: int) -> None:
    promotions.expire_promotion(promotion_id)
