"""A book with something in it, for pages that have to be seen full."""

from datetime import timedelta

from django.utils import timezone

from wallet.ledger import post
from wallet.models import Wallet
from wallet.tests.builders import DOLLAR, entry, paid_top_up


def fill_history(wallet: Wallet, *, calls: int) -> None:
    """A paid top-up of $50, and calls after it."""
    Wallet.objects.filter(pk=wallet.pk).update(stripe_customer_id=f"cus_{wallet.pk}")
    wallet.refresh_from_db()
    paid_top_up(wallet, 50 * DOLLAR)
    words = "Outbound call · +1 212 555 0142 · Sales agent · 4 min 12 s"
    now = timezone.now()
    post(
        wallet.pk,
        [entry(75_000 + number, kind="call_out", description=words, happened_at=now - timedelta(minutes=5)) for number in range(calls)],
    )
