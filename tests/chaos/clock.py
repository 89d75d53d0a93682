"""Lets time pass faster for rows that wait, as their own columns have it. Nothing of the product is asked to hurry."""

from datetime import timedelta

from django.db import transaction
from django.db.models import F

from wallet.models import AutomaticPayments, CardSetup, Notice, TopUp, Wallet, WebhookEvent
from wallet.models.top_ups import OPEN_STATUSES

TICK_SECONDS = 1.0
PASSES = timedelta(seconds=12)
"""So much passes for what waits for Stripe with each tick: twelve times as fast. A request still has far less time than its sweep."""
OWNER_WAITS = timedelta(minutes=40)
"""So much passes for a rule that pauses: its hour is over in two ticks, its day in half a minute."""
DAY, MONTH = timedelta(days=1), timedelta(days=31)


def tick() -> None:
    """A moment later, for all that waits."""
    pass_time(PASSES)
    AutomaticPayments.objects.filter(next_try_at__isnull=False).update(next_try_at=F("next_try_at") - OWNER_WAITS)


@transaction.atomic
def pass_time(passes: timedelta) -> None:
    """As if so much time had passed since everything that is open was sent, and until everything that waits is due."""
    waiting = TopUp.objects.filter(status__in=OPEN_STATUSES)
    waiting.update(
        next_check_at=F("next_check_at") - passes,
        sent_at=F("sent_at") - passes,
        checkout_expires_at=F("checkout_expires_at") - passes,
        stripe_unclear_at=F("stripe_unclear_at") - passes,
    )
    CardSetup.objects.filter(next_check_at__isnull=False).update(next_check_at=F("next_check_at") - passes)
    Wallet.objects.filter(stripe_unclear_at__isnull=False).update(stripe_unclear_at=F("stripe_unclear_at") - passes)
    WebhookEvent.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=F("next_attempt_at") - passes)
    Notice.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=F("next_attempt_at") - passes)


@transaction.atomic
def turn_day(*, month: bool = False) -> None:
    """A day or a month passes for what is resolved, so that the caps open again; what is open stays, and counts in the new day."""
    passes = MONTH if month else DAY
    resolved = TopUp.objects.exclude(status__in=OPEN_STATUSES)
    resolved.update(created_at=F("created_at") - passes, sent_at=F("sent_at") - passes, resolved_at=F("resolved_at") - passes)
    AutomaticPayments.objects.filter(next_try_at__isnull=False).update(next_try_at=F("next_try_at") - passes)
