"""What of a wallet's automatic payments waits for its owner, for the status bar on every page: one query, whatever it finds."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet, Subquery
from django.db.models.functions import JSONObject
from django.urls import reverse
from django.utils import timezone

from billing.automatic_words import failure_title, failure_words, suspension_words
from wallet.errors import LinkUnusable
from wallet.models import AutomaticPayments, Card, Origin, PaymentLink, TopUp, Wallet
from wallet.money import format_money
from wallet.services.payment_links import payment_link_token


@dataclass(frozen=True)
class Trouble:
    """A failed payment, or with `confirm_path` one that the bank wants confirmed. `until` stands between `text` and `after`."""

    text: str
    until: datetime | None = None
    after: str = ""
    confirm_path: str = ""


def trouble_of(wallet: Wallet) -> Trouble | None:
    """What its owner has to do, or should know; None where all goes on by itself."""
    rules = AutomaticPayments.objects.filter(wallet=wallet, is_active=True).select_related("confirmation_link")
    rule = rules.annotate(last_failure=Subquery(_last_failure(wallet))).first()
    if rule is None:
        return None
    failed = _top_up(rule.last_failure) if rule.last_failure else None
    if rule.suspended_at is not None:
        title, text = suspension_words(rule.suspension, failed=failed)
        return Trouble(f"{title}. {text}")
    if rule.confirmation_link is not None:
        return _to_confirm(rule.confirmation_link, currency=wallet.currency)
    is_needed = wallet.available_micros < rule.threshold_micros
    return _declined(failed, again_at=rule.next_try_at) if failed is not None and rule.failures and is_needed else None


def _last_failure(wallet: Wallet) -> "QuerySet[TopUp, Any]":
    """As JSON, so that it comes along with the rule."""
    failed = TopUp.objects.filter(wallet=wallet, origin=Origin.AUTOMATIC, status=TopUp.Status.FAILED).order_by("-created_at")
    facts = JSONObject(
        decline_code="decline_code",
        advice_code="advice_code",
        instead_of_id="instead_of_id",
        brand="card__brand",
        last_four="card__last_four",
    )
    return failed.values(facts=facts)[:1]


def _top_up(facts: dict[str, Any]) -> TopUp:
    """The failed top-up, as far as words need it."""
    brand, last_four = facts.pop("brand"), facts.pop("last_four")
    return TopUp(card=Card(brand=brand, last_four=last_four) if last_four else None, **facts)


def _to_confirm(link: PaymentLink, *, currency: str) -> Trouble | None:
    if link.used_at is not None or link.withdrawn_at is not None or link.expires_at <= timezone.now():
        return None
    assert link.amount_micros is not None, "Links to confirm are links to pay."
    amount = format_money(link.amount_micros, currency=currency)
    try:
        path = reverse("billing:pay", args=[payment_link_token(link)])
    except LinkUnusable:
        # Its key is gone: SECRET_KEY was changed for good.
        return None
    return Trouble(f"Your bank asks you to confirm {amount} by", link.expires_at, "Automatic payments stop otherwise.", path)


def _declined(failed: TopUp, *, again_at: datetime | None) -> Trouble:
    said = f"{failure_title(failed)}. {failure_words(failed)}"
    if again_at is None or again_at <= timezone.now():
        return Trouble(f"{said} It is tried again in a moment.")
    return Trouble(f"{said} It is tried again at", again_at, "Use another card if you don’t want to wait.")
