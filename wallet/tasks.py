"""Celery's tasks: an id in, one service call. Each may run twice or never; the sweep finds what is due."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from celery import shared_task

from wallet.alerts import alert
from wallet.errors import GatewayError, GatewayRejected
from wallet.models import PaymentLink
from wallet.services import (
    automatic_charges,
    automatic_sending,
    card_expiry,
    cards,
    charging_switch,
    checkout,
    closing,
    deliveries,
    heartbeats,
    holds,
    inbox,
    mailing,
    nightly,
    promotions,
    reconciliation,
    refund_sending,
    seals,
    standing,
    webhook_endpoints,
)
from wallet.services import sweep as sweeping

logger = structlog.get_logger(__name__)


@contextmanager
def _tried_again_later() -> Iterator[None]:
    """Stripe away is no fault of the task's: its row is due again. Stripe calling us wrong is for a person to see."""
    try:
        yield
    except GatewayRejected as error:
        alert("stripe_refused", error=error)
    except GatewayError as error:
        logger.warning("stripe_gave_no_answer", code=error.code, error=str(error))


@shared_task
def sweep() -> None:
    heartbeats.beat("sweep")
    sweeping.wake_everything_due()
    charging_switch.wake_restore()


@shared_task
def expire_due_holds() -> None:
    holds.expire_due_holds()


# Reconciling may take long and comes again by itself: acknowledged at once, so that no second worker is given it meanwhile.
@shared_task(acks_late=False, soft_time_limit=3300, time_limit=3500)
def reconcile_recent_payments() -> None:
    with _tried_again_later():
        reconciliation.reconcile_since()


@shared_task(acks_late=False, soft_time_limit=3300, time_limit=3500)
def reconcile_last_month() -> None:
    with _tried_again_later():
        nightly.reconcile()


@shared_task(acks_late=False, soft_time_limit=3300, time_limit=3500)
def run_reconciliation(run_id: int) -> None:
    with _tried_again_later():
        nightly.run_requested(run_id)


@shared_task(acks_late=False, soft_time_limit=3300, time_limit=3500)
def seal_days() -> None:
    seals.seal_days()


@shared_task(acks_late=False, soft_time_limit=3300, time_limit=3500)
def reconcile_after_restore(_: int) -> None:
    """A restored database first learns what Stripe knows; only then are cards charged again."""
    with _tried_again_later():
        all_was_sent = charging_switch.all_was_sent_before_restore()
        if reconciliation.reconcile_since(reconciliation.LOOK_BACK_FAR).too_young:
            charging_switch.look_again_after_restore(after=reconciliation.ADOPT_AFTER)
        elif not all_was_sent:
            charging_switch.look_again_after_restore(after=charging_switch.LAST_SENT_WITHIN)
        else:
            charging_switch.resume_after_restore()


@shared_task
def handle_webhook_event(stripe_event_id: str) -> None:
    inbox.handle_event(stripe_event_id)


@shared_task
def charge_top_up(top_up_id: str) -> None:
    with _tried_again_later():
        automatic_sending.send_top_up(top_up_id)


@shared_task
def reconsider_automatic_payment(wallet_id: int) -> None:
    automatic_charges.reconsider_charge(wallet_id)


@shared_task
def check_top_up(top_up_id: str) -> None:
    with _tried_again_later():
        sweeping.check_top_up(top_up_id)


@shared_task
def check_card_setup(setup_id: str) -> None:
    with _tried_again_later():
        sweeping.check_card_setup(setup_id)


@shared_task
def send_refund(request_id: str) -> None:
    with _tried_again_later():
        refund_sending.send_refund(request_id)


@shared_task
def check_refund(request_id: str) -> None:
    with _tried_again_later():
        sweeping.check_refund(request_id)


@shared_task
def continue_closing(closing_id: str) -> None:
    closing.continue_closing(closing_id)


@shared_task
def withdraw_payment_link(link_id: str) -> None:
    with _tried_again_later():
        checkout.withdraw_payment_link(PaymentLink.objects.select_related("wallet__workspace").get(pk=link_id))


@shared_task
def send_notice(notice_id: int) -> None:
    mailing.send_notice(notice_id)


@shared_task
def announce_standing(wallet_id: int) -> None:
    standing.announce_standing(wallet_id)


@shared_task
def detach_card(card_id: int) -> None:
    with _tried_again_later():
        cards.detach_removed_card(card_id)


@shared_task
def tell_of_expiring_cards() -> None:
    card_expiry.tell_of_expiring_cards()


@shared_task
def expire_promotion(promotion_id: int) -> None:
    promotions.expire_promotion(promotion_id)


# Sent anew only after deliveries.CLAIMED_FOR: a delivery that hangs is ended before.
@shared_task(soft_time_limit=60, time_limit=75)
def deliver_webhook(delivery_id: int) -> None:
    deliveries.deliver(delivery_id)


@shared_task
def tidy_webhooks() -> None:
    webhook_endpoints.tidy_secrets()
    deliveries.forget_old_events()
