"""Sends what outgoing.py has kept: signed, each at least once, tried again for a day. Order is not promised.

Claimed by a conditional UPDATE, sent outside every transaction. Nothing here holds a lock while it waits for a stranger.
"""

import json
import time
from dataclasses import dataclass
from datetime import timedelta
from random import SystemRandom
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import Coalesce, Now, RowNumber
from django.utils import timezone
from standardwebhooks import Webhook

from wallet.alerts import alert
from wallet.errors import EndpointDisabled, SecretLost, TargetRefused, TargetSilent
from wallet.models import Delivery, DeliveryAttempt, OutgoingEvent, WebhookEndpoint
from wallet.outgoing_post import post
from wallet.outgoing_targets import addresses_of, read_target
from wallet.services.outgoing import iso_8601
from wallet.services.webhook_endpoints import secrets_of, switch_off
from workspaces.services import audit
from workspaces.wake import wake

RETRY_AFTER_SECONDS = (5, 30, 120, 600, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 8 * 3600)
"""After the first failure, the second …: about a day in all."""
ATTEMPTS_MAX = len(RETRY_AFTER_SECONDS) + 1
JITTER = 0.2
"""Each wait is longer by up to this part, so that what failed together does not come back together."""
WOKEN_WITHIN_SECONDS = 150
"""Shorter waits are the worker's own; for longer ones the sweep wakes it."""
CLAIMED_FOR = timedelta(seconds=90)
"""Longer than the task may run (tasks.py): whoever was killed at it gives it up without a word."""
QUIET_FOR = timedelta(minutes=1)
"""A target that does not answer at all is left alone for so long: the waits for it must not keep the others waiting."""
FAILING_FOR_MAX = timedelta(days=3)
FAILURES_MIN = 20
"""So many failures, over so many days, with nothing taken in between, switch an endpoint off."""
KEPT_BYTES_MAX = 1024
ERROR_CHARACTERS_MAX = 300
FORGOTTEN_AFTER = timedelta(days=30)
FORGOTTEN_AT_ONCE = 1000
FORGET_ROUNDS_MAX = 50
"""Of so many each, in one task: an hour's messages of a large platform, and long before the task's time is over."""
AT_ONCE_PER_ENDPOINT = 100
"""Messages to one endpoint that one sweep hands out: the thousands of one that was away keep no other endpoint waiting."""
SENT_AGAIN_AT_ONCE = 1000

USER_AGENT = "Wallet-Billing-Webhooks/1"
_GONE = 410
_random = SystemRandom()


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt; an empty `error` is a success; `is_silent` where nobody answered."""

    status: int | None
    error: str
    body: bytes = b""
    is_silent: bool = False


def deliver(delivery_id: int) -> None:
    """Send the message, if it is due and nobody else is at it. Not inside a transaction.

    A worker that is killed in between sends it once more after CLAIMED_FOR: receivers tell repeats by its id.
    """
    delivery = _claim(delivery_id)
    if delivery is None:
        return
    started_at, clock = timezone.now(), time.monotonic()
    outcome = _send(delivery)
    attempt = DeliveryAttempt(delivery=delivery, started_at=started_at, duration_ms=int(1000 * (time.monotonic() - clock)))
    _keep(delivery, outcome, attempt=attempt)
    _note_health(delivery.endpoint, outcome)


def send_again(delivery: Delivery) -> None:
    """Begin a new round for a message, whatever became of it: its id stays. Raises: EndpointDisabled."""
    if not delivery.endpoint.is_active:
        raise EndpointDisabled
    with transaction.atomic():
        Delivery.objects.filter(pk=delivery.pk).update(attempts=0, next_attempt_at=Now())
        _record_sent_again(delivery.endpoint, message=delivery.event_id)
        wake("wallet.tasks.deliver_webhook", delivery.pk)


def send_failed_again(endpoint: WebhookEndpoint) -> int:
    """The same for what was given up, oldest first; answers how many. What is over SENT_AGAIN_AT_ONCE waits for the next call.

    Raises: EndpointDisabled.
    """
    if not endpoint.is_active:
        raise EndpointDisabled
    failed = Delivery.objects.filter(endpoint=endpoint, next_attempt_at=None).exclude(delivered_at__isnull=False, last_error="")
    ids = list(failed.order_by("pk").values_list("pk", flat=True)[:SENT_AGAIN_AT_ONCE])
    with transaction.atomic():
        # The sweep hands them out: a receiver that was away must not be run over when it is back.
        count = Delivery.objects.filter(pk__in=ids).update(attempts=0, next_attempt_at=Now())
        if count:
            _record_sent_again(endpoint, messages=count)
    return count


def _record_sent_again(endpoint: WebhookEndpoint, **what: object) -> None:
    audit.record("webhook_endpoint.sent_again", workspace=endpoint.workspace_id, target=endpoint.url, after=what)


def message_of(event: OutgoingEvent) -> str:
    """The body that is sent and signed: the same in every attempt."""
    message = {"type": event.type, "timestamp": iso_8601(event.occurred_at), "data": event.data}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def due_deliveries() -> "QuerySet[Delivery]":
    """What a worker is to be woken for: the oldest of each endpoint, in turns; none where the endpoint is left alone."""
    due = Delivery.objects.filter(next_attempt_at__lte=Now()).exclude(endpoint__quiet_until__gt=Now())
    place = Window(RowNumber(), partition_by=F("endpoint_id"), order_by=("next_attempt_at", "pk"))
    return due.annotate(place=place).filter(place__lte=AT_ONCE_PER_ENDPOINT).order_by("place", "pk")


def forget_old_events() -> int:
    """Remove what was told more than FORGOTTEN_AFTER ago, with its log; answers how many. The rest waits for the next time."""
    forgotten = 0
    for _ in range(FORGET_ROUNDS_MAX):
        some = _forget_some()
        forgotten += some
        if some < FORGOTTEN_AT_ONCE:
            break
    return forgotten


def _forget_some() -> int:
    old = OutgoingEvent.objects.filter(occurred_at__lt=timezone.now() - FORGOTTEN_AFTER)
    ids = list(old.exclude(deliveries__next_attempt_at__isnull=False).values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    OutgoingEvent.objects.filter(pk__in=ids).delete()
    return len(ids)


# ---------------------------------------------------------------- claiming


def _claim(delivery_id: int) -> Delivery | None:
    """Count the attempt before it is made, so that one that kills its worker is counted as well."""
    rows = Delivery.objects.select_related("event", "endpoint")
    delivery = rows.filter(pk=delivery_id, next_attempt_at__lte=Now()).first()
    if delivery is None:
        return None
    if obstacle := _obstacle(delivery):
        _mine(delivery).update(**obstacle)
        return None
    claimed_until = timezone.now() + CLAIMED_FOR
    if not _mine(delivery).update(attempts=F("attempts") + 1, next_attempt_at=claimed_until):
        return None
    delivery.attempts, delivery.next_attempt_at = delivery.attempts + 1, claimed_until
    return delivery


def _obstacle(delivery: Delivery) -> dict[str, Any]:
    """What becomes of a message that is not sent now, although it is due; nothing where it can be sent."""
    endpoint, now = delivery.endpoint, timezone.now()
    if not endpoint.is_active:
        return {"next_attempt_at": None, "last_error": str(EndpointDisabled())}
    if delivery.attempts >= ATTEMPTS_MAX:
        return {"next_attempt_at": None, "last_error": delivery.last_error or "The last attempt was cut off."}
    if endpoint.quiet_until is not None and endpoint.quiet_until > now:
        return {"next_attempt_at": now + _with_jitter(endpoint.quiet_until - now)}
    return {}


def _mine(delivery: Delivery) -> "QuerySet[Delivery]":
    """The row while it is as it was read: whoever claims it, or sends it again, moves its next attempt."""
    return Delivery.objects.filter(pk=delivery.pk, next_attempt_at=delivery.next_attempt_at)


# ---------------------------------------------------------------- sending


def _send(delivery: Delivery) -> Outcome:
    allowed = settings.WEBHOOKS_ALLOW_PRIVATE_TARGETS
    try:
        body, headers = _signed(delivery)
        target = read_target(delivery.endpoint.url, private_allowed=allowed)
        answer = post(target, addresses=addresses_of(target, private_allowed=allowed), body=body, headers=headers)
    except TargetSilent as error:
        return Outcome(status=None, error=str(error), is_silent=True)
    except (TargetRefused, SecretLost) as error:
        return Outcome(status=None, error=str(error))
    return Outcome(status=answer.status, error=_complaint(answer.status), body=answer.body)


def _signed(delivery: Delivery) -> tuple[bytes, dict[str, str]]:
    """By every secret that signs now, with the time of this very attempt (Standard Webhooks)."""
    message, now = message_of(delivery.event), timezone.now()
    signatures = [Webhook(secret).sign(delivery.event_id, now, message) for secret in secrets_of(delivery.endpoint)]
    return message.encode(), {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _complaint(status: int) -> str:
    if 200 <= status < 300:
        return ""
    return f"It answered {status}, a redirect, which is not followed." if 300 <= status < 400 else f"It answered {status}."


# ---------------------------------------------------------------- what came of it


def _keep(delivery: Delivery, outcome: Outcome, *, attempt: DeliveryAttempt) -> None:
    attempt.status, attempt.error = outcome.status, outcome.error[:ERROR_CHARACTERS_MAX]
    attempt.answer = outcome.body[:KEPT_BYTES_MAX].decode(errors="replace").replace("\0", "\ufffd")
    wait = _wait_after(delivery.attempts) if outcome.error else None
    with transaction.atomic():
        attempt.save()
        if outcome.error:
            next_attempt_at = timezone.now() + wait if wait else None
            _mine(delivery).update(next_attempt_at=next_attempt_at, last_status=outcome.status, last_error=attempt.error)
        else:
            _keep_success(delivery, status=outcome.status)
    if wait and wait.total_seconds() <= WOKEN_WITHIN_SECONDS:
        wake("wallet.tasks.deliver_webhook", delivery.pk, after_seconds=wait.total_seconds())


def _keep_success(delivery: Delivery, *, status: int | None) -> None:
    """Also where the endpoint was switched off meanwhile; a new round that somebody asked for meanwhile goes on."""
    unasked = Q(next_attempt_at=delivery.next_attempt_at) | Q(next_attempt_at=None)
    Delivery.objects.filter(unasked, pk=delivery.pk).update(delivered_at=Now(), next_attempt_at=None, last_status=status, last_error="")


def _wait_after(attempts: int) -> timedelta | None:
    """None after the last one."""
    return _with_jitter(timedelta(seconds=RETRY_AFTER_SECONDS[attempts - 1])) if attempts < ATTEMPTS_MAX else None


def _with_jitter(wait: timedelta) -> timedelta:
    return wait * (1 + _random.uniform(0, JITTER))


def _note_health(endpoint: WebhookEndpoint, outcome: Outcome) -> None:
    row = WebhookEndpoint.objects.filter(pk=endpoint.pk)
    if not outcome.error:
        row.filter(failures__gt=0).update(failing_since=None, failures=0, quiet_until=None)
        return
    row.update(
        failing_since=Coalesce("failing_since", Now()),
        failures=F("failures") + 1,
        quiet_until=timezone.now() + QUIET_FOR if outcome.is_silent else F("quiet_until"),
    )
    reason = _reason_to_disable(row.get(), status=outcome.status)
    if reason is not None and switch_off(endpoint, reason=reason):
        alert("webhook_endpoint_disabled", endpoint=endpoint.pk, workspace=endpoint.workspace_id, reason=reason)


def _reason_to_disable(endpoint: WebhookEndpoint, *, status: int | None) -> WebhookEndpoint.DisabledReason | None:
    if status == _GONE:
        return WebhookEndpoint.DisabledReason.GONE
    begun, enough = endpoint.failing_since, endpoint.failures >= FAILURES_MIN
    if enough and begun is not None and begun < timezone.now() - FAILING_FOR_MAX:
        return WebhookEndpoint.DisabledReason.FAILING
    return None
