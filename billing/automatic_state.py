"""How a wallet's automatic payments stand, as the Automatic Payments card and panel say it. Reads only; the services decide."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from django.urls import reverse
from django.utils import timezone

from billing.automatic_words import cap_words, failure_title, failure_words, suspension_words
from wallet.automatic_rule import Cap, Charged, size_charge
from wallet.errors import LinkUnusable
from wallet.models import OPEN_STATUSES, AutomaticPayments, Card, ChargingSwitch, Dispute, Origin, TopUp, Wallet
from wallet.money import format_money
from wallet.services.automatic_charges import cap_opens_at, chargeable_card, charged_so_far
from wallet.services.payment_links import payment_link_token

LATEST = 5
"""Automatic payments that the panel lists."""
LONG_AFTER = timedelta(seconds=12)
"""A charge that lasts longer is told to."""


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


@dataclass(frozen=True, kw_only=True)
class Automatic:
    """The rule with everything that the page says of it. `charge` is under way.

    `card` is the one that is charged next, or where the bank refuses all of them the default; `other_card` could be used instead.
    """

    mode: Mode
    rule: AutomaticPayments | None = None
    card: Card | None = None
    backup: Card | None = None
    charged: Charged = field(default_factory=Charged)
    charge: TopUp | None = None
    latest: tuple[TopUp, ...] = ()
    said: Said | None = None
    confirm_path: str = ""
    other_card: Card | None = None

    @property
    def is_active(self) -> bool:
        return self.mode is not Mode.OFF

    @property
    def pill(self) -> str:
        return PILLS[self.mode][0]

    @property
    def pill_look(self) -> str:
        return PILLS[self.mode][1]

    @property
    def last(self) -> TopUp | None:
        """The latest that has an outcome."""
        return next((top_up for top_up in self.latest if top_up.status in (TopUp.Status.SUCCEEDED, TopUp.Status.FAILED)), None)

    @property
    def can_be_tried_again(self) -> bool:
        return self.mode in (Mode.SUSPENDED, Mode.DECLINED) and self.card is not None

    @property
    def wants_another_card(self) -> bool:
        return self.mode in (Mode.SUSPENDED, Mode.DECLINED, Mode.TO_CONFIRM)

    @property
    def standing(self) -> str:
        return standing_of(self.rule)

    @property
    def version(self) -> str:
        """Changes with anything that the page says of it."""
        facts = [
            self.mode,
            self.standing,
            self.charged,
            [(top_up.pk, top_up.status) for top_up in self.latest],
            self.said,
            [(card.pk, card.label) for card in (self.card, self.backup) if card],
        ]
        return sha256(repr(facts).encode()).hexdigest()[:16]


def standing_of(rule: AutomaticPayments | None) -> str:
    """Names the rule as it stands: a form that was shown before it changed carries another name."""
    if rule is None:
        return "none"
    facts = (rule.is_active, rule.terms, rule.consented_at, rule.suspended_at, rule.failures, rule.confirmation_link_id)
    return sha256(repr(facts).encode()).hexdigest()[:16]


def automatic_of(wallet: Wallet, *, cards: list[Card], now: datetime | None = None) -> Automatic:
    """How they stand; `cards` are the wallet's kept ones. A handful of queries, two where they were never switched on."""
    rule = AutomaticPayments.objects.filter(wallet=wallet).select_related("confirmation_link").first()
    latest = _latest(wallet)
    charge = next((top_up for top_up in latest if top_up.status in OPEN_STATUSES), None)
    if rule is None or not rule.is_active:
        return Automatic(mode=Mode.OFF, rule=rule, card=next(iter(cards), None), charge=charge, latest=latest)
    now = now or timezone.now()
    charged = charged_so_far(wallet, now=now)
    mode, said = _mode(wallet, rule, charged=charged, latest=latest, now=now)
    card = chargeable_card(wallet) or next((card for card in cards if card.is_default), None)
    return Automatic(
        mode=mode,
        rule=rule,
        card=card,
        backup=next((other for other in cards if other.is_backup and other.refused_at is None and other != card), None),
        charged=charged,
        charge=charge,
        latest=latest,
        said=said,
        confirm_path=_confirm_path(rule),
        other_card=next((other for other in cards if other.refused_at is None and other != card), None),
    )


def _latest(wallet: Wallet) -> tuple[TopUp, ...]:
    automatic = TopUp.objects.filter(wallet=wallet, origin=Origin.AUTOMATIC).select_related("card")
    return tuple(automatic.exclude(status__in=(TopUp.Status.CANCELED, TopUp.Status.EXPIRED)).order_by("-created_at")[:LATEST])


def _mode(
    wallet: Wallet, rule: AutomaticPayments, *, charged: Charged, latest: tuple[TopUp, ...], now: datetime
) -> tuple[Mode, Said | None]:
    """In the order in which the services look: what is under way, what waits for the owner, what waits for others."""
    charge = next((top_up for top_up in latest if top_up.status in OPEN_STATUSES), None)
    failed = next((top_up for top_up in latest if top_up.status == TopUp.Status.FAILED), None)
    obstacle = obstacle_to(wallet)
    if charge is not None and not (obstacle and charge.status == TopUp.Status.CREATED):
        return _charging(charge, currency=wallet.currency, now=now)
    if rule.suspended_at is not None:
        return Mode.SUSPENDED, Said(*suspension_words(rule.suspension, failed=failed))
    if rule.confirmation_link is not None:
        return Mode.TO_CONFIRM, _to_confirm(rule, failed, currency=wallet.currency)
    if obstacle is not None:
        return Mode.ON_HOLD, obstacle
    if rule.failures and failed is not None:
        return Mode.DECLINED, _declined(failed, until=rule.next_try_at if rule.next_try_at and rule.next_try_at > now else None)
    return _capped(wallet, rule, charged=charged, now=now) or (Mode.ACTIVE, None)


_LONG = "It takes longer than usual. No need to pay: this page turns by itself."
_IN_REVIEW = "Its outcome is not clear, and a person looks at it. Nothing more is charged until then."


def _charging(charge: TopUp, *, currency: str, now: datetime) -> tuple[Mode, Said]:
    amount = format_money(charge.amount_micros, currency=currency)
    if charge.status == TopUp.Status.MANUAL_REVIEW:
        return Mode.IN_REVIEW, Said(f"The last payment of {amount} is being checked", _IN_REVIEW)
    to = f" to {charge.card.label}" if charge.card else ""
    return Mode.CHARGING, Said(f"Charging {amount}{to}…", _LONG if charge.created_at < now - LONG_AFTER else "")


def _to_confirm(rule: AutomaticPayments, failed: TopUp | None, *, currency: str) -> Said:
    link = rule.confirmation_link
    assert link is not None, "Only a rule that waits for its owner gets here."
    assert link.amount_micros is not None, "Links to confirm are links to pay."
    card = f" of {failed.card.label}" if failed and failed.card else ""
    return Said(
        f"Your bank asks you to confirm {format_money(link.amount_micros, currency=currency)}",
        f"The bank{card} wants to see that it is really you.",
        until=link.expires_at,
        before_until="Inbound calls go on meanwhile. Confirm by",
        after_until=", or automatic payments stop.",
    )


def obstacle_to(wallet: Wallet) -> Said | None:
    """What keeps every card of the wallet from being charged automatically, and is not the owner's to mend here."""
    if wallet.frozen_at is not None:
        return Said("The wallet is frozen", "Nothing is charged and nothing new starts. Write to us to have it opened again.")
    if ChargingSwitch.objects.filter(paused_at__isnull=False).exists():
        return Said(
            "Automatic payments are on hold", "We have paused them for everybody for a while. Until they go on, add balance yourself."
        )
    if Dispute.objects.filter(wallet=wallet, closed_at=None).exists():
        return Said("A payment is disputed", "Its payer asked the bank for the money back. Nothing is charged before that is settled.")
    return None


def _declined(failed: TopUp, *, until: datetime | None) -> Said:
    if until is None:
        return Said(failure_title(failed), f"{failure_words(failed)} It is tried again in a moment.")
    return Said(failure_title(failed), failure_words(failed), until=until, before_until="It is tried again on", after_until=".")


def _capped(wallet: Wallet, rule: AutomaticPayments, *, charged: Charged, now: datetime) -> tuple[Mode, Said] | None:
    """Whether the caps would forbid even the smallest charge that the rule could ask for."""
    barely_below = rule.threshold_micros - 1
    size = size_charge(rule.terms, expected_micros=barely_below, charged=charged, currency=wallet.currency)
    if not isinstance(size, Cap):
        return None
    title, text = cap_words(size, terms=rule.terms, currency=wallet.currency)
    opens = cap_opens_at(size, zone=wallet.workspace.zone, now=now)
    return Mode.CAPPED, Said(title, text, until=opens, before_until="Nothing more is charged before", after_until=".")


def _confirm_path(rule: AutomaticPayments) -> str:
    if rule.confirmation_link is None:
        return ""
    try:
        return reverse("billing:pay", args=[payment_link_token(rule.confirmation_link)])
    except LinkUnusable:
        # Its key is gone (SECRET_KEY was changed for good); the panel of the link says so.
        return ""
