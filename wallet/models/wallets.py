"""A workspace's wallet: the row that is locked, and the sums that are cached."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now

from wallet.money import CURRENCIES
from wallet.standing import Standing

if TYPE_CHECKING:
    from workspaces.models import Workspace


class Wallet(models.Model):
    """A workspace's prepaid money, in one currency. Its row lock serialises everything that moves this money.

    The primary key is the workspace's, so that every row of a customer lives under one key.
    """

    workspace: "models.OneToOneField[Workspace, Workspace]" = models.OneToOneField(
        "workspaces.Workspace", on_delete=models.PROTECT, primary_key=True, related_name="wallet"
    )
    currency = models.CharField(
        max_length=3, choices=[(code, known.name) for code, known in CURRENCIES.items()], help_text="ISO 4217, lower case. Never changes."
    )
    balance_micros = models.BigIntegerField(
        default=0, help_text="Sum of the wallet's transfers; written by ledger.post alone. Negative after a late charge or a dispute."
    )
    held_micros = models.BigIntegerField(default=0, help_text="Sum of open holds; written with the hold, under the wallet's lock.")
    promotion_micros = models.BigIntegerField(
        default=0, help_text="The part of the balance that was given, not paid: what promotions have left. Written by ledger.post alone."
    )
    last_seq = models.BigIntegerField(default=0, help_text="seq of the newest transfer; written by ledger.post alone.")
    stripe_customer_id = models.CharField(
        max_length=255,
        unique=True,
        null=True,
        help_text="Made on first need. Null again once it was deleted at Stripe, until the next payment makes another.",
    )
    stripe_key_renewals = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often the key under which the customer is made had to be renewed: services.renewed_keys."
    )
    stripe_unclear_at = models.DateTimeField(null=True, help_text="When Stripe last left open whether it had made the customer.")
    depleted_at = models.DateTimeField(
        null=True, help_text="When the money ran out: inbound calls go on for the grace time from here. Null again once there is money."
    )
    grace_minutes = models.PositiveIntegerField(
        default=240, help_text="How long inbound calls go on after the money ran out; set by the operator."
    )
    grace_extended_until = models.DateTimeField(
        null=True, help_text="Inbound calls go on until then at least: the bank asked the owner to confirm a payment."
    )
    low_balance_micros = models.BigIntegerField(
        null=True, help_text="With less available, owner, admins and the platform are told. Null: the least top-up of the currency."
    )
    announced = models.CharField(
        max_length=10,
        default=Standing.FINE,
        db_default=Standing.FINE,
        help_text="The last standing that people and the platform were told of.",
    )
    grace_ends_at = models.DateTimeField(null=True, editable=False, help_text="grace_until, kept by the database for the sweep to look up.")
    is_untold = models.BooleanField(
        null=True,
        editable=False,
        help_text="Whether it stands otherwise than was told last, whatever the time: kept by the database, and never null.",
    )
    overdraft_micros = models.BigIntegerField(
        default=0, help_text="How far below zero inbound calls may take the wallet in the grace time."
    )
    frozen_at = models.DateTimeField(null=True, help_text="New holds are refused from here on; open ones may still be captured.")
    closed_at = models.DateTimeField(null=True, help_text="The workspace was closed: no money comes in any more.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(currency__in=list(CURRENCIES)), name="wallet_currency_is_known"),
            models.CheckConstraint(condition=models.Q(held_micros__gte=0), name="wallet_held_is_not_negative"),
            models.CheckConstraint(condition=models.Q(promotion_micros__gte=0), name="wallet_promotion_is_not_negative"),
            models.CheckConstraint(condition=models.Q(overdraft_micros__gte=0), name="wallet_overdraft_is_not_negative"),
            models.CheckConstraint(condition=models.Q(last_seq__gte=0), name="wallet_last_seq_is_not_negative"),
            models.CheckConstraint(condition=models.Q(low_balance_micros__gt=0), name="wallet_low_balance_is_positive"),
            models.CheckConstraint(
                condition=models.Q(announced__in=[standing.value for standing in Standing]), name="wallet_announced_is_a_standing"
            ),
        ]
        # Neither holds a column that a use changes: charging stays an update in place (HOT).
        indexes = [
            models.Index("workspace", condition=models.Q(is_untold=True), name="wallet_untold"),
            models.Index(
                "announced",
                "grace_ends_at",
                condition=models.Q(grace_ends_at__isnull=False, closed_at=None),
                name="wallet_by_grace_end",
            ),
        ]

    def __str__(self) -> str:
        return f"wallet of {self.workspace}"

    @property
    def available_micros(self) -> int:
        """What may be spent or held now. Decisions use this, never the balance."""
        return self.balance_micros - self.held_micros

    @property
    def grace_until(self) -> datetime | None:
        """Until when inbound calls go on; None while there is money."""
        if self.depleted_at is None:
            return None
        ordinary = self.depleted_at + timedelta(minutes=self.grace_minutes)
        return max(ordinary, self.grace_extended_until) if self.grace_extended_until else ordinary

    def note_availability(self, *, before_micros: int, now: datetime) -> None:
        """Start the grace time when nothing is available any more; end it when money came and something is."""
        if self.available_micros <= 0:
            self.depleted_at = self.depleted_at or now
        elif self.available_micros > before_micros:
            self.depleted_at = None

    @property
    def paid_micros(self) -> int:
        """The part of the balance that customers paid for; negative when more was used than paid."""
        return self.balance_micros - self.promotion_micros


class FormerCustomer(models.Model):
    """A wallet's customer that was deleted at Stripe. What is still to come of it, a refund say, is the wallet's all the same.

    Written once, by services.customers under the wallet's lock.
    """

    customer_id = models.CharField(max_length=255, primary_key=True, help_text="Stripe's id, which it never gives again.")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="former_customers")
    let_go_at = models.DateTimeField(help_text="What was asked of Stripe for the wallet before was asked for this customer.")

    def __str__(self) -> str:
        return self.customer_id
