"""News that owners are mailed, each as it comes about: a stage to bring it about on, and the phrases that its mail must have."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.utils import timezone

from wallet.automatic_rule import Cap
from wallet.errors import Decline
from wallet.ledger import lock_wallet
from wallet.models import AutomaticPayments, Card, Notice, Origin, TopUp, Wallet, WebhookEndpoint
from wallet.services.automatic_charges import cap_opens_at
from wallet.services.automatic_suspension import suspend
from wallet.services.card_expiry import tell_of_expiring_cards
from wallet.services.cards import refresh_card, remove_card, save_card, set_backup_card
from wallet.services.mailing import send_notice
from wallet.services.notices import notify_admins
from wallet.services.settlement import fail_top_up, settle_payment
from wallet.services.standing import announce_standing
from wallet.services.webhook_endpoints import switch_off
from wallet.tests.builders import DOLLAR, automatic_payments_of, card_details, charge, make_wallet, paid_top_up, payment_of
from wallet.tests.hooks import endpoint_of
from workspaces.models import Membership, Role, User

Kind, Suspension = Notice.Kind, AutomaticPayments.Suspension


@dataclass
class Stage:
    """Alice's wallet in Tokyo with 20 dollars, a Visa and a Mastercard behind it, and automatic payments on."""

    wallet: Wallet
    visa: Card
    mastercard: Card

    @property
    def rule(self) -> AutomaticPayments:
        return AutomaticPayments.objects.get(wallet=self.wallet)

    @property
    def page(self) -> str:
        return f"http://testserver/w/{self.wallet.workspace.public_id}/settings/billing"

    def words(self, moment: datetime | None) -> str:
        """As a mail writes it."""
        assert moment is not None
        return f"{moment.astimezone(self.wallet.workspace.zone):%B %-d, %Y, %H:%M} JST"

    def automatic(self, card: Card | None = None, **columns: Any) -> TopUp:
        """A charge of 25 dollars that was sent."""
        return TopUp.objects.create(
            wallet=self.wallet,
            origin=Origin.AUTOMATIC,
            amount_micros=25 * DOLLAR,
            card=card or self.visa,
            request_id=f"automatic:{timezone.now()}",
            status=TopUp.Status.SENDING,
            **columns,
        )

    def decline(self, code: str, *, card: Card | None = None) -> TopUp:
        return fail_top_up(self.automatic(card).pk, decline=Decline(code=code))

    def pay(self, top_up: TopUp) -> TopUp:
        details = card_details(top_up.card.last_four, last_four=top_up.card.last_four, brand=top_up.card.brand) if top_up.card else None
        return settle_payment(payment_of(top_up, card=details))

    def suspend(self, reason: AutomaticPayments.Suspension) -> None:
        with transaction.atomic():
            suspend(lock_wallet(self.wallet.pk), self.rule, reason)

    def use(self, dollars: float) -> None:
        charge(self.wallet, int(dollars * DOLLAR))
        announce_standing(self.wallet.pk)

    def notify(self, kind: Notice.Kind, reference: str, **facts: int) -> None:
        notify_admins(self.wallet.pk, kind=kind, reference=reference, facts=facts)


def make_stage() -> Stage:
    """As the class says, and nothing told yet."""
    wallet = make_wallet(name="A&B Calls")
    wallet.workspace.time_zone = "Asia/Tokyo"
    wallet.workspace.save(update_fields=["time_zone"])
    alice = User.objects.create_user("alice@example.com", "correct horse battery", name="Alice Archer")
    Membership.objects.create(workspace=wallet.workspace, user=alice, role=Role.OWNER)
    paid_top_up(wallet, 20 * DOLLAR)
    visa = save_card(wallet.pk, card_details("4242"), connected_by=alice)
    mastercard = save_card(wallet.pk, card_details("4444", brand="mastercard", last_four="4444"), connected_by=alice)
    automatic_payments_of(wallet, consented_by=alice)
    Notice.objects.all().delete()
    return Stage(wallet, visa, mastercard)


# ---------------------------------------------------------------- the news
def automatic_payment(stage: Stage) -> list[str]:
    top_up = stage.pay(stage.automatic())
    return ["$25.00", "fallen below the level", "Visa •••• 4242", str(top_up.receipt_number), "$45.00", stage.words(top_up.resolved_at)]


def automatic_payment_on_backup(stage: Stage) -> list[str]:
    set_backup_card(stage.mastercard)
    stage.decline("insufficient_funds")
    stage.pay(TopUp.objects.get(instead_of__isnull=False))
    return ["Visa •••• 4242 was declined first. There is not enough money on the card.", "So Mastercard •••• 4444 was charged instead."]


def automatic_failed(stage: Stage) -> list[str]:
    stage.decline("insufficient_funds")
    return [
        "$25.00 could not be charged to Visa •••• 4242. There is not enough money on the card.",
        f"It is tried again on {stage.words(stage.rule.next_try_at)}",
        "Available now",
        "$20.00",
    ]


def suspended_by_the_bank(stage: Stage) -> list[str]:
    remove_card(stage.mastercard)
    stage.decline("expired_card")
    return ["Visa •••• 4242 can't be charged any more. The card has expired.", "Use another card"]


def suspended_after_three(stage: Stage) -> list[str]:
    for _ in range(3):
        stage.decline("processing_error")
    return [
        "Three tries in a row failed. The last was $25.00 from Visa •••• 4242. Something went wrong",
        "Nothing is charged until you say so",
    ]


def suspended_without_card(stage: Stage) -> list[str]:
    stage.suspend(Suspension.NO_CARD)
    return ["no card is connected that can be charged", "Connect a card."]


def suspended_unconfirmed(stage: Stage) -> list[str]:
    stage.decline("authentication_required")
    Notice.objects.all().delete()
    stage.suspend(Suspension.NOT_CONFIRMED)
    return ["wanted you to confirm a payment of $25.00, and nobody did in time", "Try again and confirm"]


def suspended_after_dispute(stage: Stage) -> list[str]:
    stage.suspend(Suspension.DISPUTED)
    return ["has taken a payment back that was disputed", "try again, or use another card"]


def confirm_payment(stage: Stage) -> list[str]:
    stage.decline("authentication_required")
    link = stage.rule.confirmation_link
    assert link is not None
    return ["lets Visa •••• 4242 pay", "Nothing was charged yet", f"once, until {stage.words(link.expires_at)}", "Calls go on meanwhile"]


def monthly_cap(stage: Stage) -> list[str]:
    stage.pay(stage.automatic())
    Notice.objects.all().delete()
    day = cap_opens_at(Cap.MONTHLY, zone=stage.wallet.workspace.zone, now=timezone.now())
    stage.notify(Kind.CAP_REACHED, f"monthly_cap:{day:%Y-%m-%d}")
    return ["Your monthly cap of $100.00", "$25.00 were charged this month", f"again from {day:%B %-d, %Y} on"]


def daily_cap(stage: Stage) -> list[str]:
    day = cap_opens_at(Cap.DAILY, zone=stage.wallet.workspace.zone, now=timezone.now())
    stage.notify(Kind.CAP_REACHED, f"daily_charges:{day:%Y-%m-%d}")
    return ["You allow 3 charges a day", f"again from {day:%B %-d, %Y} on"]


def expires_with(stage: Stage, year: int, month: int, *, now: datetime) -> None:
    Card.objects.filter(pk=stage.visa.pk).update(expiry_year=year, expiry_month=month)
    tell_of_expiring_cards(now=now)


def card_expiring(stage: Stage) -> list[str]:
    expires_with(stage, 2026, 8, now=datetime(2026, 8, 10, tzinfo=UTC))
    return ["(08/26) can be charged until August 31, 2026", "the card that automatic payments charge first"]


def card_expired(stage: Stage) -> list[str]:
    expires_with(stage, 2026, 8, now=datetime(2026, 9, 10, tzinfo=UTC))
    return ["Its last month was 08/26", "Automatic payments will fail until you connect another card."]


def card_renewed(stage: Stage) -> list[str]:
    refresh_card(card_details("4242", last_four="1881", expiry_year=2038))
    return ["Visa •••• 1881", "It is good until 12/38 now", "You need not do anything."]


def low_balance(stage: Stage) -> list[str]:
    stage.use(17)
    return ["$3.00", "Less than $5.00 is available", "Automatic payments are on"]


def low_balance_by_hand(stage: Stage) -> list[str]:
    AutomaticPayments.objects.update(is_active=False)
    stage.use(17)
    return ["$3.00", "Switch automatic payments on"]


def balance_used_up(stage: Stage) -> list[str]:
    stage.use(21)
    until = Wallet.objects.get(pk=stage.wallet.pk).grace_until
    return ["AI tasks have stopped", f"Inbound calls go on until {stage.words(until)}; then all calls are paused."]


def calls_paused(stage: Stage) -> list[str]:
    stage.use(40)
    return ["Nobody can call you or be called", "as soon as money is added"]


def usage_spike(stage: Stage) -> list[str]:
    today = timezone.now().astimezone(stage.wallet.workspace.zone).date()
    stage.notify(Kind.USAGE_SPIKE, today.isoformat(), spent_micros=45 * DOLLAR, usual_micros=3 * DOLLAR)
    return [f"on {today:%B %-d, %Y} so far", "$45.00", "about $3.00"]


def usage_spike_of_yesterday(stage: Stage) -> list[str]:
    stage.notify(Kind.USAGE_SPIKE, "2026-07-21", spent_micros=45 * DOLLAR, usual_micros=3 * DOLLAR)
    return ["on July 21, 2026", "$45.00"]


def webhook_failing(stage: Stage) -> list[str]:
    switch_off(endpoint_of(stage.wallet.workspace, "https://hooks.example.com/a").endpoint, reason=WebhookEndpoint.DisabledReason.FAILING)
    return ["https://hooks.example.com/a took no message for days.", "switch it on again"]


def webhook_gone(stage: Stage) -> list[str]:
    switch_off(endpoint_of(stage.wallet.workspace, "https://hooks.example.com/a").endpoint, reason=WebhookEndpoint.DisabledReason.GONE)
    return ["it is gone (410)"]


# ---------------------------------------------------------------- the mail
def send_all() -> list[EmailMultiAlternatives]:
    """Every mail that is queued goes out, if there is still something to tell."""
    for notice in Notice.objects.filter(next_attempt_at__isnull=False).order_by("pk"):
        send_notice(notice.pk)
    return [message for message in mail.outbox if isinstance(message, EmailMultiAlternatives)]


def bodies(message: EmailMultiAlternatives) -> tuple[str, str]:
    """The plain text, and the HTML as it reads."""
    ((content, kind),) = message.alternatives
    assert kind == "text/html"
    html = re.sub(r"<title>.*?</title>", "", str(content))
    read = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("&amp;", "&").replace("&#x27;", "'")
    return str(message.body), read
