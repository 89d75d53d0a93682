"""Two books for the proof: one to which everything has happened, and another customer's."""

from datetime import timedelta

from wallet.ledger import post
from wallet.models import Wallet
from wallet.services.holds import place_hold
from wallet.services.promotions import expire_promotion
from wallet.tests.builders import DOLLAR, adjustment, charge, dispute_of, entry, make_wallet, paid_top_up, promotion_of, refund_of

ROWS = 13


def make_full_book() -> Wallet:
    """A balance of $30, of which $4 was given and $1 is held."""
    wallet = make_wallet()
    top_up = paid_top_up(wallet, 20 * DOLLAR)  # row 1
    promotion_of(wallet, 5 * DOLLAR)  # row 2
    charge(wallet, 7 * DOLLAR)  # row 3: five of it given
    refund_of(top_up, 2 * DOLLAR, number=f"kept_{wallet.pk}")  # row 4
    refund_of(top_up, 3 * DOLLAR, number=f"failed_{wallet.pk}", status="failed")  # rows 5 and 6
    expired = promotion_of(wallet, DOLLAR, expires_in=timedelta(seconds=-1))  # row 7
    expire_promotion(expired.pk)  # row 8
    dispute_of(top_up, number=str(wallet.pk), status="lost", withdrawn_micros=20 * DOLLAR)  # rows 9 and 10
    promotion_of(wallet, 4 * DOLLAR, expires_in=timedelta(days=9))  # row 11
    post(wallet.pk, [adjustment(30 * DOLLAR), entry(0)])  # rows 12 and 13: the second was free
    place_hold(wallet.pk, amount_micros=DOLLAR, reference="call", idempotency_key="hold", lifetime=timedelta(hours=1))
    wallet.refresh_from_db()
    return wallet


def make_book_elsewhere() -> Wallet:
    """Another customer's, in a currency without coins below one."""
    wallet = make_wallet(currency="jpy", name="Charlie's Garage")
    paid_top_up(wallet, 3_000 * DOLLAR)
    return wallet
