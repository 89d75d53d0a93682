"""Automatic payments: each wallet's rule, and the one switch that stops every charge of them."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from wallet.automatic_rule import Terms
from wallet.models.payment_links import PaymentLink
from wallet.models.wallets import Wallet


class AutomaticPayments(models.Model):
    """What a wallet's owner agreed to, and how it goes. Written under the wallet's row lock alone.

    One row per wallet, made when they are first switched on. The cards are the wallet's default and backup.
    """

    class Suspension(models.TextChoices):
        """Why nothing is charged until the owner acts, another card is connected, or somebody pays: but neither after a lost dispute,
        nor where no card is left, is a payment enough.
        """

        DECLINED = "declined", "Declined three times"
        CARD_REFUSED = "card_refused", "The card can't be charged any more"
        NO_CARD = "no_card", "No card is connected"
        NOT_CONFIRMED = "not_confirmed", "The payment was not confirmed"
        DISPUTED = "disputed", "A disputed payment was lost"

    wallet = models.OneToOneField(Wallet, on_delete=models.PROTECT, primary_key=True, related_name="automatic_payments")
    is_active = models.BooleanField(default=False, help_text="Switched on by the owner; may be suspended all the same.")
    threshold_micros = models.BigIntegerField(help_text="A charge to the wallet that leaves less available than this sets it off.")
    amount_micros = models.BigIntegerField(null=True, help_text="What is charged, or as many whole ones as close the gap.")
    target_micros = models.BigIntegerField(null=True, help_text="What the wallet is brought back to, in place of a fixed amount.")
    monthly_cap_micros = models.BigIntegerField(help_text="The most in one month of the workspace's zone, whatever happens.")
    daily_charges_max = models.PositiveSmallIntegerField(help_text="The most charges in one day of the workspace's zone.")
    consent_text = models.TextField(help_text="The sentence that the owner agreed to, as it stood.")
    consented_at = models.DateTimeField(help_text="When, for the card networks: a charge without its holder needs an agreement.")
    consented_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    failures = models.PositiveSmallIntegerField(default=0, help_text="Tries that failed in a row; a paid top-up sets it back.")
    next_try_at = models.DateTimeField(
        null=True, help_text="Nothing is charged before; then the sweep decides anew. Null: the next use does."
    )
    suspended_at = models.DateTimeField(null=True)
    suspension = models.CharField(max_length=15, choices=Suspension, blank=True)
    confirmation_link = models.ForeignKey(
        PaymentLink,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="By which the owner confirms what the bank asked about.",
    )

    class Meta:
        verbose_name_plural = "automatic payments"
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_micros__gt=0, target_micros=None)
                | Q(amount_micros=None, target_micros__gt=models.F("threshold_micros")),
                name="automatic_payments_have_an_amount_or_a_target",
            ),
            models.CheckConstraint(
                condition=Q(threshold_micros__gt=0, monthly_cap_micros__gt=0, daily_charges_max__gt=0),
                name="automatic_payments_have_bounds",
            ),
            models.CheckConstraint(
                condition=Q(suspended_at=None, suspension="") | (Q(suspended_at__isnull=False) & ~Q(suspension="")),
                name="automatic_payments_suspension_has_its_reason",
            ),
        ]
        indexes = [models.Index("next_try_at", condition=Q(next_try_at__isnull=False), name="automatic_payments_due")]

    def __str__(self) -> str:
        return f"automatic payments of {self.wallet_id}"

    @property
    def may_charge(self) -> bool:
        """Whether it charges by itself: switched on, and not suspended."""
        return self.is_active and self.suspended_at is None

    @property
    def terms(self) -> Terms:
        """What was agreed, as arithmetic knows it."""
        return Terms(
            threshold_micros=self.threshold_micros,
            amount_micros=self.amount_micros,
            target_micros=self.target_micros,
            monthly_cap_micros=self.monthly_cap_micros,
            daily_charges_max=self.daily_charges_max,
        )


class ChargingSwitch(models.Model):
    """One row: whether automatic payments are charged at all. Read, under its lock, before every single one of them."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    paused_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=200, blank=True, help_text="Why, for whoever finds it paused.")
    database = models.CharField(max_length=60, blank=True, help_text="Which database cluster and timeline this is: a restored one differs.")
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="charging_switch_is_one")]

    def __str__(self) -> str:
        return "paused" if self.paused_at else "charging"
