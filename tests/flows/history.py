"""A book with something in it, for pages that have to be seen full."""

from billing.tests.uses import event, report
from usage.services.default_prices import seed_default_prices
from wallet.models import Wallet
from wallet.tests.builders import DOLLAR, paid_top_up


def fill_history(wallet: Wallet, *, calls: int) -> None:
    """A paid top-up of $50, and calls after it, each reported as the platform does."""
    Wallet.objects.filter(pk=wallet.pk).update(stripe_customer_id=f"cus_{wallet.pk}")
    wallet.refresh_from_db()
    paid_top_up(wallet, 50 * DOLLAR)
    seed_default_prices()
    report(*(event(wallet, agent="Sales agent") for _ in range(calls)))
