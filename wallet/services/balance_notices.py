"""What the e-mails about a wallet that runs low say, and about a day that costs far more than usual."""

from datetime import date

from django.db.models.functions import Now
from django.utils import timezone

from wallet.errors import NothingToTell
from wallet.models import AutomaticPayments, Notice, Wallet
from wallet.money import format_money
from wallet.services.notice_words import Context, day_in_words, in_words, page_url, wallet_of
from wallet.standing import Standing, low_level_micros, occurrence_of, standing_of


def low_balance(notice: Notice) -> Context:
    """Reference: the day of the workspace's zone."""
    wallet, standing = _wallet(notice)
    if standing is not Standing.LOW:
        raise NothingToTell(f"The balance is {standing} by now.")
    return _context(wallet) | {"level": format_money(low_level_micros(wallet), currency=wallet.currency)}


def balance_used_up(notice: Notice) -> Context:
    """Reference: `occurrence_of` the wallet."""
    wallet, standing = _wallet(notice)
    _check_still_out(notice, wallet, standing)
    until = wallet.grace_until
    goes_on = standing is Standing.DEPLETED
    return _context(wallet) | {"goes_on": goes_on, "until": in_words(until, workspace=wallet.workspace) if until and goes_on else ""}


def calls_paused(notice: Notice) -> Context:
    """Reference: as balance_used_up."""
    wallet, standing = _wallet(notice)
    _check_still_out(notice, wallet, standing)
    if standing is not Standing.PAUSED:
        raise NothingToTell("Inbound calls go on again.")
    return _context(wallet)


def usage_spike(notice: Notice) -> Context:
    """Reference: the day of the workspace's zone. Facts: what it cost when it was told, and what is usual, in micros."""
    wallet, day = wallet_of(notice), date.fromisoformat(notice.reference)
    return _context(wallet) | {
        "day": day_in_words(day),
        "goes_on": day == timezone.now().astimezone(wallet.workspace.zone).date(),
        "spent": format_money(notice.facts["spent_micros"], currency=wallet.currency),
        "usual": format_money(notice.facts["usual_micros"], currency=wallet.currency),
        "button": "See what was used",
        "button_url": page_url(wallet.workspace, "billing"),
    }


def _wallet(notice: Notice) -> tuple[Wallet, Standing]:
    wallet = Wallet.objects.select_related("workspace").annotate(clock=Now()).get(pk=notice.wallet_id)
    return wallet, standing_of(wallet, now=wallet.clock)


def _check_still_out(notice: Notice, wallet: Wallet, standing: Standing) -> None:
    if not standing.is_out or occurrence_of(wallet) != notice.reference:
        raise NothingToTell("Money was added before the mail was sent.")


def _context(wallet: Wallet) -> Context:
    rule = AutomaticPayments.objects.filter(wallet=wallet, is_active=True).first()
    return {
        "available": format_money(wallet.available_micros, currency=wallet.currency),
        "is_automatic": rule is not None and rule.suspended_at is None,
        "automatic_url": page_url(wallet.workspace, "automatic_payments"),
        "button": "Add Balance",
        "button_url": page_url(wallet.workspace, "add_balance"),
    }
