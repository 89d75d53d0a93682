"""What tests of the wallet begin with: a wallet, entries to post, and money that arrived, each through the product's own services."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from wallet.ledger import Entry, post
from wallet.models import Account, AutomaticPayments, Dispute, Origin, Promotion, Refund, TopUp, Transfer, Wallet
from wallet.services.disputes import apply_dispute
from wallet.services.promotions import grant_promotion
from wallet.services.refunds import apply_refund
from wallet.services.settlement import settle_payment
from wallet.services.wallets import open_wallet
from wallet.stripe_objects import CardDetails, DisputeState, Payment, RefundState
from workspaces.models import Workspace

DOLLAR = 1_000_000
_numbers = count(1)


def make_wallet(*, currency: str = "usd", name: str = "Alice's Bakery") -> Wallet:
    """An empty wallet of a workspace of its own, as a customer of Stripe's."""
    wallet = open_wallet(Workspace.objects.create(name=name), currency=currency)
    wallet.stripe_customer_id = f"cus_{wallet.pk}"
    wallet.save(update_fields=["stripe_customer_id"])
    return wallet


def entry(
    amount_micros: int, *, key: str = "", debit: Account = Account.WALLET, credit: Account = Account.USAGE_REVENUE, **more: Any
) -> Entry:
    """A charge for a use, unless the accounts say otherwise; its key is new unless given."""
    given = {"kind": "use", "reference": key or "a call", "description": "Outbound call", "happened_at": timezone.now()}
    return Entry(
        debit=debit, credit=credit, amount_micros=amount_micros, idempotency_key=key or f"entry-{next(_numbers)}", **{**given, **more}
    )


def adjustment(amount_micros: int, **more: Any) -> Entry:
    """Money put into the wallet by the operator."""
    return entry(amount_micros, debit=Account.ADJUSTMENTS, credit=Account.WALLET, **{"kind": "adjustment", **more})


def charge(wallet: Wallet, amount_micros: int, **more: Any) -> Transfer:
    """A use, posted."""
    return post(wallet.pk, [entry(amount_micros, **more)])[0]


def open_top_up(wallet: Wallet, amount_micros: int) -> TopUp:
    """A top-up that has been sent to Stripe and has no outcome yet."""
    number = next(_numbers)
    return TopUp.objects.create(
        wallet=wallet, origin=Origin.MANUAL, amount_micros=amount_micros, status=TopUp.Status.SENDING, request_id=f"request-{number}"
    )


def payment_of(top_up: TopUp, **changes: Any) -> Payment:
    """The payment at Stripe that the top-up asked for, succeeded unless changed."""
    facts: dict[str, Any] = {
        "id": f"pi_{top_up.pk.hex}",
        "status": "succeeded",
        "amount_micros": top_up.amount_micros,
        "currency": top_up.wallet.currency,
        "customer_id": top_up.wallet.stripe_customer_id,
        "livemode": False,
        "top_up_id": str(top_up.pk),
        "workspace": top_up.wallet.workspace.public_id,
        "created_at": timezone.now(),
        "card": None,
        "decline": None,
    }
    return Payment(**{**facts, **changes})


def paid_top_up(wallet: Wallet, amount_micros: int) -> TopUp:
    """A top-up whose money arrived and was credited."""
    return settle_payment(payment_of(open_top_up(wallet, amount_micros)))


def refund_of(top_up: TopUp, amount_micros: int, *, number: str = "", status: str = "succeeded") -> Refund:
    """A refund as Stripe tells it, applied."""
    assert top_up.payment_intent_id is not None
    state = RefundState(
        id=f"re_{number or next(_numbers)}",
        status=status,
        amount_micros=amount_micros,
        currency=top_up.wallet.currency,
        payment_id=top_up.payment_intent_id,
        reason="",
        created_at=timezone.now(),
    )
    return apply_refund(state)


def dispute_of(top_up: TopUp, *, number: str = "1", status: str, withdrawn_micros: int = 0, reinstated_micros: int = 0) -> Dispute:
    """A dispute as it stands at Stripe, of what was withdrawn or else of the whole top-up, applied."""
    assert top_up.payment_intent_id is not None
    state = DisputeState(
        id=f"dp_{number}",
        status=status,
        amount_micros=withdrawn_micros or top_up.amount_micros,
        currency=top_up.wallet.currency,
        payment_id=top_up.payment_intent_id,
        reason="fraudulent",
        is_withdrawn=withdrawn_micros > 0,
        is_reinstated=reinstated_micros > 0,
        created_at=timezone.now(),
    )
    return apply_dispute(state)


def promotion_of(wallet: Wallet, amount_micros: int, *, expires_in: timedelta | None = None, reason: str = "Welcome credit") -> Promotion:
    """Credit given to the wallet; `expires_in` may be past."""
    expires_at: datetime | None = timezone.now() + expires_in if expires_in is not None else None
    return grant_promotion(
        wallet, amount_micros=amount_micros, reason=reason, expires_at=expires_at, idempotency_key=f"promotion-{next(_numbers)}"
    )


def automatic_payments_of(wallet: Wallet, **changes: Any) -> AutomaticPayments:
    """Switched on, and nothing charged for it: below 10 dollars charge 25, at most 100 a month and three times a day."""
    terms: dict[str, Any] = {
        "is_active": True,
        "threshold_micros": 10 * DOLLAR,
        "amount_micros": 25 * DOLLAR,
        "monthly_cap_micros": 100 * DOLLAR,
        "daily_charges_max": 3,
        "consent_text": "Charge my card.",
        "consented_at": timezone.now(),
    }
    return AutomaticPayments.objects.create(wallet=wallet, **{**terms, **changes})


def card_details(number: str = "1", **changes: Any) -> CardDetails:
    """A Visa whose holder agreed that it is kept."""
    facts: dict[str, Any] = {
        "payment_method_id": f"pm_{number}",
        "brand": "visa",
        "last_four": "4242",
        "expiry_month": 12,
        "expiry_year": 2034,
        "fingerprint": f"fingerprint-{number}",
        "customer_id": "cus_1",
        "reusable": True,
    }
    return CardDetails(**{**facts, **changes})


def balance_of(wallet: Wallet) -> int:
    """The balance as it stands in the database now."""
    wallet.refresh_from_db()
    return wallet.balance_micros
