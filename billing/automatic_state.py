"""How a wallet's automatic payments stand, as the Automatic Payments card and panel say it. Reads only; the services decide."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from django.urls import reverse
from django.utils import timezone

from billing.automatic_mode import LATEST, PILLS, Mode, Said, cap_reached, confirm_title, mode_of, obstacle_of, shown_payments
from billing.automatic_words import cap_words, failure_title, failure_words, suspension_words
from wallet.automatic_rule import Cap, Charged
from wallet.errors import LinkUnusable
from wallet.models import OPEN_STATUSES, AutomaticPayments, Card, ChargingSwitch, Dispute, TopUp, Wallet
from wallet.money import format_money
from wallet.services.automatic_charges import cap_opens_at, chargeable_card, charged_so_far
from wallet.services.payment_links import payment_link_token

LONG_AFTER = timedelta(seconds=12)
"""A charge that lasts longer is told to."""


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
    return tuple(shown_payments().filter(wallet=wallet).select_related("card")[:LATEST])


def _mode(
    wallet: Wallet, rule: AutomaticPayments, *, charged: Charged, latest: tuple[TopUp, ...], now: datetime
) -> tuple[Mode, Said | None]:
    """With what is said of it."""
    charge = next((top_up for top_up in latest if top_up.status in OPEN_STATUSES), None)
    failed = next((top_up for top_up in latest if top_up.status == TopUp.Status.FAILED), None)
    obstacle, cap = obstacle_to(wallet), cap_reached(rule, charged=charged, currency=wallet.currency)
    mode = mode_of(rule, latest=[top_up.status for top_up in latest], is_blocked=obstacle is not None, cap=cap)
    said = obstacle if mode is Mode.ON_HOLD else None
    if mode in (Mode.CHARGING, Mode.IN_REVIEW) and charge is not None:
        said = _charging(charge, currency=wallet.currency, now=now)
    elif mode is Mode.SUSPENDED:
        said = Said(*suspension_words(rule.suspension, failed=failed))
    elif mode is Mode.TO_CONFIRM:
        said = _to_confirm(rule, failed, currency=wallet.currency)
    elif mode is Mode.DECLINED and failed is not None:
        said = _declined(failed, until=rule.next_try_at if rule.next_try_at and rule.next_try_at > now else None)
    elif mode is Mode.CAPPED and cap is not None:
        said = _capped(wallet, rule, cap, now=now)
    return mode, said


_LONG = "It takes longer than usual. No need to pay: this page turns by itself."
_IN_REVIEW = "Its outcome is not clear, and a person looks at it. Nothing more is charged until then."


def _charging(charge: TopUp, *, currency: str, now: datetime) -> Said:
    amount = format_money(charge.amount_micros, currency=currency)
    if charge.status == TopUp.Status.MANUAL_REVIEW:
        return Said(f"The last payment of {amount} is being checked", _IN_REVIEW)
    to = f" to {charge.card.label}" if charge.card else ""
    return Said(f"Charging {amount}{to}…", _LONG if charge.created_at < now - LONG_AFTER else "")


def _to_confirm(rule: AutomaticPayments, failed: TopUp | None, *, currency: str) -> Said:
    link = rule.confirmation_link
    assert link is not None, "Only a rule that waits for its owner gets here."
    card = f" of {failed.card.label}" if failed and failed.card else ""
    return Said(
        confirm_title(rule, currency=currency),
        f"The bank{card} wants to see that it is really you.",
        until=link.expires_at,
        before_until="Inbound calls go on meanwhile. Confirm by",
        after_until=", or automatic payments stop.",
    )


def obstacle_to(wallet: Wallet) -> Said | None:
    """What keeps every card of the wallet from being charged automatically, and is not the owner's to mend here."""
    return obstacle_of(
        wallet,
        is_paused=ChargingSwitch.objects.filter(paused_at__isnull=False).exists(),
        is_disputed=Dispute.objects.filter(wallet=wallet, closed_at=None).exists(),
    )


def _declined(failed: TopUp, *, until: datetime | None) -> Said:
    if until is None:
        return Said(failure_title(failed), f"{failure_words(failed)} It is tried again in a moment.")
    return Said(failure_title(failed), failure_words(failed), until=until, before_until="It is tried again on", after_until=".")


def _capped(wallet: Wallet, rule: AutomaticPayments, cap: Cap, *, now: datetime) -> Said:
    title, text = cap_words(cap, terms=rule.terms, currency=wallet.currency)
    opens = cap_opens_at(cap, zone=wallet.workspace.zone, now=now)
    return Said(title, text, until=opens, before_until="Nothing more is charged before", after_until=".")


def _confirm_path(rule: AutomaticPayments) -> str:
    if rule.confirmation_link is None:
        return ""
    try:
        return reverse("billing:pay", args=[payment_link_token(rule.confirmation_link)])
    except LinkUnusable:
        # Its key is gone (SECRET_KEY was changed for good); the panel of the link says so.
        return ""
