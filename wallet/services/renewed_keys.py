"""Idempotency keys that are used up: renewed once it is known that nothing came of what was asked under them.

Version 1 of Stripe's API saves a 500 with its key and answers it again for a day (docs.stripe.com/error-low-level; faults: B5), so
what is asked under that key can never succeed. Only for what can be looked up and ended, never for a charge. Asks Stripe nothing.
"""

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from wallet.errors import GatewayError, GatewayRejected, OutcomeUnknown
from wallet.models import CardSetup, TopUp, Wallet

RENEWED_AFTER = timedelta(seconds=60)
"""Longer than any request lasts: what is not listed by then is not there."""

Asker = Wallet | TopUp | CardSetup
"""A row for which something is made at Stripe under a key of its own."""


def key_of(row: Asker, *, stem: str) -> str:
    """The row's present idempotency key. It follows from the row alone, so that whoever asks for the row asks under the same one."""
    return f"{stem}-{row.stripe_key_renewals}" if row.stripe_key_renewals else stem


def is_used_up(row: Asker, error: GatewayError) -> bool:
    """Whether Stripe answers from its memory of the key, as it will go on doing: time to look up what came of it.

    Any other answer that leaves the outcome open starts the time anew after which a look-up is believed.
    """
    if isinstance(error, OutcomeUnknown):
        used_up = error.replayed
    elif isinstance(error, GatewayRejected) and error.key_was_used:
        used_up = True
    else:
        return False
    row.refresh_from_db(fields=["stripe_unclear_at"])
    if row.stripe_unclear_at is None or not used_up:
        row.stripe_unclear_at = timezone.now()
        row.save(update_fields=["stripe_unclear_at"])
    return used_up


def is_certain(row: Asker) -> bool:
    """Whether a look-up that shows nothing is proof by now that nothing came of the key."""
    return row.stripe_unclear_at is not None and timezone.now() - row.stripe_unclear_at >= RENEWED_AFTER


def renew_key(row: Asker) -> None:
    """Give the row its next key, after a look-up that is_certain showed nothing. Of two at once one does, and both use the same."""
    own_key: Any = row.pk
    type(row).objects.filter(pk=own_key, stripe_key_renewals=row.stripe_key_renewals).update(
        stripe_key_renewals=F("stripe_key_renewals") + 1, stripe_unclear_at=timezone.now()
    )
    row.refresh_from_db(fields=["stripe_key_renewals", "stripe_unclear_at"])
