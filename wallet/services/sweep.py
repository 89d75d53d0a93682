"""The sweep: finds every row that is due and sees that it is done. Celery makes things fast, this makes them certain.

Each list has a limit: what is left over is due again at the next sweep. Running twice, or by two at once, does no harm.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import TypeVar

from django.db.models import Model, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from wallet.models import AutomaticPayments, Card, CardSetup, Notice, Promotion, RefundRequest, TopUp, WalletClosing, WebhookEvent
from wallet.services.automatic_sending import send_top_up
from wallet.services.checkout import ask_after_checkout
from wallet.services.deliveries import due_deliveries
from wallet.services.refund_sending import ask_after_refund, send_refund
from wallet.services.standing import stale_standings
from wallet.services.top_ups import ask_after_top_up
from workspaces.wake import wake

Looked = TypeVar("Looked", TopUp, CardSetup, RefundRequest)

BATCH = 500
"""Rows of one kind that one sweep hands out."""
CHECK_AGAIN_AFTER = timedelta(minutes=1)
CHECK_AGAIN_AFTER_MAX = timedelta(hours=1)


def wake_everything_due() -> dict[str, int]:
    """Send a message for each row that is due; answers how many of each kind."""
    due: dict[str, Iterable[str | int]] = {
        "wallet.tasks.handle_webhook_event": _keys(WebhookEvent.objects.filter(next_attempt_at__lte=Now())),
        "wallet.tasks.check_top_up": _keys(TopUp.objects.filter(next_check_at__lte=Now())),
        "wallet.tasks.check_card_setup": _keys(CardSetup.objects.filter(next_check_at__lte=Now())),
        "wallet.tasks.check_refund": _keys(RefundRequest.objects.filter(next_check_at__lte=Now())),
        "wallet.tasks.continue_closing": _any_keys(WalletClosing.objects.filter(next_check_at__lte=Now())),
        "wallet.tasks.send_notice": _keys(Notice.objects.filter(next_attempt_at__lte=Now())),
        "wallet.tasks.reconsider_automatic_payment": _any_keys(
            AutomaticPayments.objects.filter(next_try_at__lte=Now(), is_active=True, suspended_at=None)
        ),
        "wallet.tasks.announce_standing": _any_keys(stale_standings()),
        "wallet.tasks.deliver_webhook": _keys(due_deliveries()),
        "wallet.tasks.detach_card": _any_keys(Card.objects.filter(removed_at__isnull=False, detached_at=None)),
        "wallet.tasks.expire_promotion": _any_keys(Promotion.objects.filter(remaining_micros__gt=0, expires_at__lte=Now())),
    }
    counts = {}
    for task, keys in due.items():
        counts[task] = 0
        for key in keys:
            wake(task, key)
            counts[task] += 1
    return counts


def check_top_up(top_up_id: str) -> None:
    """Look at one top-up that is due: send it, ask Stripe after it, or end it. Claimed, with the next look already set.

    Not inside a transaction. Raises: GatewayError.
    """
    top_up = _claim(TopUp.objects.select_related("wallet__workspace", "card", "payment_link"), top_up_id)
    if top_up is None:
        return
    if top_up.payment_link_id is not None:
        ask_after_checkout(top_up)
    elif top_up.status == TopUp.Status.CREATED:
        send_top_up(top_up.pk)
    else:
        ask_after_top_up(top_up)


def check_card_setup(setup_id: str) -> None:
    """Look at one attempt to connect a card that is due. Not inside a transaction. Raises: GatewayError."""
    setup = _claim(CardSetup.objects.select_related("wallet__workspace", "payment_link"), setup_id)
    if setup is not None:
        ask_after_checkout(setup)


def check_refund(request_id: str) -> None:
    """Look at one refund that is due: send it, or ask Stripe after it. Not inside a transaction. Raises: GatewayError."""
    request = _claim(RefundRequest.objects.select_related("wallet__workspace", "top_up"), request_id)
    if request is None:
        return
    if request.status == RefundRequest.Status.CREATED:
        send_refund(request.pk)
    else:
        ask_after_refund(request)


def _keys(due: "QuerySet[Model]") -> list[str | int]:
    return [key if isinstance(key, int) else str(key) for key in due.values_list("pk", flat=True)[:BATCH]]


def _any_keys(due: "QuerySet[Model]") -> list[str | int]:
    """Of rows that stay due until they are done: by chance, so that those that fail again and again keep no others waiting."""
    return _keys(due.order_by("?"))


def _claim(rows: "QuerySet[Looked]", pk: str) -> "Looked | None":
    """The row, if it is due and this caller is the one that moved its next look on."""
    row = rows.filter(pk=pk, next_check_at__lte=Now()).first()
    if row is None:
        return None
    delay = min(CHECK_AGAIN_AFTER * 2 ** min(row.checks, 10), CHECK_AGAIN_AFTER_MAX)
    moved = (
        type(row)
        .objects.filter(pk=pk, checks=row.checks, next_check_at__lte=Now())
        .update(checks=row.checks + 1, next_check_at=timezone.now() + delay)
    )
    return row if moved else None
