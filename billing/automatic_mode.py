"""The one thing that there is to say of a wallet's automatic payments: of one wallet, of a page of them, and as a filter. Reads only.

What it says at length, with amounts and moments, is automatic_state's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import reduce
from operator import or_

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q, QuerySet

from billing.automatic_words import cap_words, suspension_words
from wallet.automatic_rule import Cap, Charged, size_charge
from wallet.models import OPEN_STATUSES, AutomaticPayments, ChargingSwitch, Dispute, Origin, TopUp, Wallet
from wallet.money import format_money
from wallet.services.automatic_charges import charged_by_wallet

LATEST = 5
"""Automatic payments that are looked at, and that the owner's panel lists."""

Status = TopUp.Status


class Mode(StrEnum):
    """What there is to say of it; one at a time, the most pressing."""

    OFF = "off"
    ACTIVE = "active"
    CHARGING = "charging"
    IN_REVIEW = "in_review"
    SUSPENDED = "suspended"
    TO_CONFIRM = "to_confirm"
    ON_HOLD = "on_hold"
    DECLINED = "declined"
    CAPPED = "capped"


PILLS = {
    Mode.OFF: ("Not Active", "off"),
    Mode.ACTIVE: ("Active", "on"),
    Mode.CHARGING: ("Active", "on"),
    Mode.IN_REVIEW: ("Being checked", "warn"),
    Mode.SUSPENDED: ("Suspended", "warn"),
    Mode.TO_CONFIRM: ("Waiting for you", "warn"),
    Mode.ON_HOLD: ("On hold", "warn"),
    Mode.DECLINED: ("Declined", "warn"),
    Mode.CAPPED: ("Paused", "warn"),
}


@dataclass(frozen=True)
class Said:
    """A title, a text, and where there is one the moment at which it is over; `before_until` and `after_until` stand around it."""

    title: str
    text: str = ""
    until: datetime | None = None
    before_until: str = ""
    after_until: str = ""


def mode_of(rule: AutomaticPayments, *, latest: Sequence[str], is_blocked: bool, cap: Cap | None) -> Mode:
    """In the order in which the services look: what is under way, what waits for the owner, what waits for others.

    `latest` are the statuses of the latest payments, `is_blocked` whether there is an obstacle, `cap` the one that is reached.
    """
    if not rule.is_active:
        return Mode.OFF
    charge = next((status for status in latest if status in OPEN_STATUSES), None)
    if charge is not None and not (is_blocked and charge == Status.CREATED):
        return Mode.IN_REVIEW if charge == Status.MANUAL_REVIEW else Mode.CHARGING
    if rule.suspended_at is not None:
        return Mode.SUSPENDED
    if rule.confirmation_link_id is not None:
        return Mode.TO_CONFIRM
    if is_blocked:
        return Mode.ON_HOLD
    if rule.failures and Status.FAILED in latest:
        return Mode.DECLINED
    return Mode.CAPPED if cap is not None else Mode.ACTIVE


def cap_reached(rule: AutomaticPayments, *, charged: Charged, currency: str) -> Cap | None:
    """The cap that would forbid even the smallest charge that the rule could ask for."""
    barely_below = rule.threshold_micros - 1
    size = size_charge(rule.terms, expected_micros=barely_below, charged=charged, currency=currency)
    return size if isinstance(size, Cap) else None


def obstacle_of(wallet: Wallet, *, is_paused: bool, is_disputed: bool) -> Said | None:
    """What keeps every card of the wallet from being charged automatically, and is not the owner's to mend here."""
    if wallet.frozen_at is not None:
        return Said("The wallet is frozen", "Nothing is charged and nothing new starts. Write to us to have it opened again.")
    if is_paused:
        return Said(
            "Automatic payments are on hold", "We have paused them for everybody for a while. Until they go on, add balance yourself."
        )
    if is_disputed:
        return Said("A payment is disputed", "Its payer asked the bank for the money back. Nothing is charged before that is settled.")
    return None


def confirm_title(rule: AutomaticPayments, *, currency: str) -> str:
    """What a rule that waits for its owner asks of them."""
    link = rule.confirmation_link
    assert link is not None, "Only a rule that waits for its owner gets here."
    assert link.amount_micros is not None, "Links to confirm are links to pay."
    return f"Your bank asks you to confirm {format_money(link.amount_micros, currency=currency)}"


def shown_payments() -> "QuerySet[TopUp]":
    """Automatic ones that were asked for and not given up, the newest first; of any wallet."""
    return TopUp.objects.filter(origin=Origin.AUTOMATIC).exclude(status__in=(Status.CANCELED, Status.EXPIRED)).order_by("-created_at")


# ---------------------------------------------------------------- many wallets
def short_words_of(wallets: Sequence[Wallet], *, now: datetime) -> dict[int, str]:
    """What their owners read, in a few words, by the wallets' keys: the pill and why. Four queries, however many they are."""
    latest = shown_payments().filter(wallet=OuterRef("pk")).values("status")[:LATEST]
    rules = AutomaticPayments.objects.filter(wallet__in=wallets, is_active=True).select_related("confirmation_link")
    by_wallet = {rule.pk: rule for rule in rules.annotate(latest=ArraySubquery(latest))}
    active = [wallet for wallet in wallets if wallet.pk in by_wallet]
    is_paused = ChargingSwitch.objects.filter(paused_at__isnull=False).exists()
    disputed = set(Dispute.objects.filter(wallet__in=active, closed_at=None).values_list("wallet_id", flat=True))
    charged = charged_by_wallet(active, now=now)
    words = dict.fromkeys((wallet.pk for wallet in wallets), PILLS[Mode.OFF][0])
    for wallet in active:
        rule = by_wallet[wallet.pk]
        obstacle = obstacle_of(wallet, is_paused=is_paused, is_disputed=wallet.pk in disputed)
        cap = cap_reached(rule, charged=charged[wallet.pk], currency=wallet.currency)
        mode = mode_of(rule, latest=rule.latest, is_blocked=obstacle is not None, cap=cap)
        words[wallet.pk] = " · ".join(filter(None, (PILLS[mode][0], _why(mode, rule, obstacle, cap, currency=wallet.currency))))
    return words


def _why(mode: Mode, rule: AutomaticPayments, obstacle: Said | None, cap: Cap | None, *, currency: str) -> str:
    if mode is Mode.SUSPENDED:
        return suspension_words(rule.suspension, failed=None)[0]
    if mode is Mode.TO_CONFIRM:
        return confirm_title(rule, currency=currency)
    if mode is Mode.ON_HOLD and obstacle is not None:
        return obstacle.title
    if mode is Mode.CAPPED and cap is not None:
        return cap_words(cap, terms=rule.terms, currency=currency)[0]
    return ""


FILTERS = {
    Mode.ACTIVE: f"{PILLS[Mode.ACTIVE][0]} or {PILLS[Mode.CAPPED][0]}",
    **{mode: PILLS[mode][0] for mode in (Mode.DECLINED, Mode.TO_CONFIRM, Mode.SUSPENDED, Mode.ON_HOLD, Mode.IN_REVIEW, Mode.OFF)},
}
"""What wallets can be told apart by. Whether a cap is reached depends on sums in each one's own day: that is read for a page alone."""


def in_mode(wallets: "QuerySet[Wallet]", mode: Mode) -> "QuerySet[Wallet]":
    """Those of which this is to be said, as mode_of says it; `mode` is one of FILTERS."""
    is_active = Q(automatic_payments__is_active=True)
    if mode is Mode.OFF:
        return wallets.exclude(is_active)
    payments = shown_payments().filter(wallet=OuterRef("pk"))
    charge = payments.filter(status__in=OPEN_STATUSES)
    is_blocked = (
        Q(frozen_at__isnull=False)
        | Q(Exists(ChargingSwitch.objects.filter(paused_at__isnull=False)))
        | Q(Exists(Dispute.objects.filter(wallet=OuterRef("pk"), closed_at=None)))
    )
    is_reviewed = Q(Exists(charge.filter(status=Status.MANUAL_REVIEW)))
    is_charging = ~is_reviewed & (Q(Exists(charge.exclude(status=Status.CREATED))) | (Q(Exists(charge)) & ~is_blocked))
    in_order = {
        Mode.IN_REVIEW: is_reviewed,
        Mode.CHARGING: is_charging,
        Mode.SUSPENDED: Q(automatic_payments__suspended_at__isnull=False),
        Mode.TO_CONFIRM: Q(automatic_payments__confirmation_link__isnull=False),
        Mode.ON_HOLD: is_blocked,
        Mode.DECLINED: Q(automatic_payments__failures__gt=0) & Q(Exists(payments.filter(status=Status.FAILED))),
    }
    steps = list(in_order)
    if mode is Mode.ACTIVE:
        return wallets.filter(is_active & (is_charging | ~_any(in_order.values())))
    return wallets.filter(is_active & in_order[mode] & ~_any(in_order[step] for step in steps[: steps.index(mode)]))


def _any(conditions: Iterable[Q]) -> Q:
    return reduce(or_, conditions, Q(pk__in=[]))
