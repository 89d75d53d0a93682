"""What the operator's people ask for and do with a customer's wallet: adjustments, promotions, refunds, freezes, closings.

Each row is made before its money moves and says who wanted it and why. What is large waits for a second person.
"""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from wallet.models.ledger import Promotion
from wallet.models.top_ups import Refund, TopUp
from wallet.models.wallets import Wallet

WORDS_CHARACTERS_MAX = 200
REASON_CHARACTERS_MAX = 500

_ALONE = Q(needs_second_person=False, decided_by=None) & ~Q(status__in=("waiting", "rejected", "withdrawn"))
_WAITING = Q(needs_second_person=True, status="waiting", decided_by=None)
_WITHDRAWN = Q(needs_second_person=True, status="withdrawn", decided_by=F("requested_by"))
_DECIDED = (
    Q(needs_second_person=True, decided_by__isnull=False) & ~Q(status__in=("waiting", "withdrawn")) & ~Q(decided_by=F("requested_by"))
)


class Proposal(models.Model):
    """What one person asks for; done at once where it is small, else once a second one has approved it.

    `needs_second_person` is decided under the wallet's lock (services.second_person) and never taken back; a closing that
    turns out to give back more than could be seen comes to need one later. Whoever decides is never who asked, and only
    who asked can withdraw: the database holds to both.
    """

    class Status(models.TextChoices):
        """Of what is done in the transaction that decides it."""

        WAITING = "waiting", "Waits for a second person"
        DONE = "done", "Done"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"

    act: ClassVar[str]
    """What the audit log calls it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="+")
    amount_micros = models.BigIntegerField(help_text="What it moves, in the wallet's currency.")
    status = models.CharField(max_length=13, default="waiting")
    reason = models.CharField(max_length=REASON_CHARACTERS_MAX, help_text="Why, for the operator's own people and the audit log.")
    request_id = models.CharField(max_length=100, help_text="The form's own id: the same form sent again is the same act.")
    needs_second_person = models.BooleanField(help_text="Frozen when it was asked for.")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decision_reason = models.CharField(max_length=REASON_CHARACTERS_MAX, blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["wallet", "request_id"], name="%(class)s_request_is_unique_in_its_wallet"),
            models.CheckConstraint(condition=_ALONE | _WAITING | _WITHDRAWN | _DECIDED, name="%(class)s_is_decided_by_a_second_person"),
            models.CheckConstraint(
                condition=Q(decided_by=None, decided_at=None) | Q(decided_by__isnull=False, decided_at__isnull=False),
                name="%(class)s_decision_has_a_time",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="%(class)s_has_a_reason"),
        ]
        indexes = [
            models.Index("wallet", "requested_at", name="%(class)s_by_wallet"),
            models.Index("requested_at", condition=Q(status="waiting"), name="%(class)s_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.act} {self.id} {self.status}"

    @property
    def is_waiting(self) -> bool:
        """Whether a second person has still to decide."""
        return self.status == "waiting"


class Adjustment(Proposal):
    """A correction of the balance by the operator: positive puts money in, negative takes it out. Posted once, as `adjustment:<id>`."""

    act = "adjustment"

    words = models.CharField(max_length=WORDS_CHARACTERS_MAX, help_text="What the customer reads in the history.")
    may_go_below_zero = models.BooleanField(default=False, help_text="Who asked ticked that less than nothing may be left available.")

    class Meta(Proposal.Meta):
        constraints = [
            *Proposal.Meta.constraints,
            models.CheckConstraint(condition=~Q(amount_micros=0), name="adjustment_moves_something"),
            models.CheckConstraint(condition=Q(status__in=Proposal.Status.values), name="adjustment_status_is_known"),
        ]


class PromotionGrant(Proposal):
    """Credit that the operator gives a customer; once granted it is a promotion like any other."""

    act = "promotion"

    words = models.CharField(max_length=WORDS_CHARACTERS_MAX, help_text="What the customer reads in the history.")
    expires_at = models.DateTimeField(null=True, help_text="When what is left of it lapses; null never.")
    promotion = models.OneToOneField(Promotion, on_delete=models.PROTECT, null=True, related_name="grant")

    class Meta(Proposal.Meta):
        constraints = [
            *Proposal.Meta.constraints,
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="promotiongrant_amount_is_positive"),
            models.CheckConstraint(condition=Q(status__in=Proposal.Status.values), name="promotiongrant_status_is_known"),
            models.CheckConstraint(
                condition=Q(status="done", promotion__isnull=False) | (~Q(status="done") & Q(promotion=None)),
                name="promotiongrant_has_its_promotion_when_done",
            ),
        ]


class WalletClosing(Proposal):
    """The end of a wallet: closed at once, then promotions lapse and what was paid and not used goes back, newest top-up first.

    ending: closed, and waits for what is still under way · refunding: its refunds are on their way · done. Each step is
    safe to repeat, so that whoever is killed in between is followed by the sweep.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waits for a second person"
        ENDING = "ending", "Closed; waits for what is under way"
        REFUNDING = "refunding", "Gives money back"
        DONE = "done", "Done"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"

    act = "closing"

    waits_for = models.CharField(max_length=200, blank=True, help_text="What is still under way, for the operator; empty where nothing is.")
    next_check_at = models.DateTimeField(
        null=True, help_text="When the sweep looks at it again; null while it waits for a person, or is over."
    )
    checks = models.PositiveIntegerField(default=0, help_text="How often the sweep has looked; spaces the next looks.")
    resolved_at = models.DateTimeField(null=True)
    left_micros = models.BigIntegerField(null=True, help_text="What was in the wallet when it was done: no card could take it.")

    class Meta(Proposal.Meta):
        constraints = [
            *Proposal.Meta.constraints,
            models.UniqueConstraint(
                fields=["wallet"], condition=Q(status__in=("waiting", "ending", "refunding")), name="walletclosing_is_one_open_per_wallet"
            ),
            models.CheckConstraint(
                condition=Q(status__in=("waiting", "ending", "refunding", "rejected", "withdrawn"), resolved_at=None, left_micros=None)
                | Q(status="done", resolved_at__isnull=False, left_micros__isnull=False),
                name="walletclosing_is_open_or_resolved",
            ),
        ]
        indexes = [
            *Proposal.Meta.indexes,
            models.Index("next_check_at", condition=Q(next_check_at__isnull=False), name="walletclosing_due"),
        ]


OPEN_REFUND_STATUSES = ("waiting", "created", "sending", "unknown", "manual_review")
"""A refund request in one of these has its money set aside, and may still send it back."""


class RefundRequest(Proposal):
    """Part of a top-up that is to go back to its payer. Its id is the idempotency key at Stripe, and stands in the refund's metadata.

    waiting → created → sending → done | failed | unknown | manual_review. While it is open its money is set aside by the
    hold `refund:<id>`, which is released in the transaction that takes the money (services.refunds), or when it failed.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waits for a second person"
        CREATED = "created", "About to be sent"
        SENDING = "sending", "Sending"
        UNKNOWN = "unknown", "Outcome unknown"
        MANUAL_REVIEW = "manual_review", "Manual review"
        DONE = "done", "Refunded"
        FAILED = "failed", "Failed"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"

    act = "refund"

    top_up = models.ForeignKey(TopUp, on_delete=models.PROTECT, related_name="refund_requests")
    override_reason = models.CharField(
        max_length=REASON_CHARACTERS_MAX, blank=True, help_text="Why more than the unspent part may go back; empty where it is no more."
    )
    closing = models.ForeignKey(
        WalletClosing, on_delete=models.PROTECT, null=True, related_name="refund_requests", help_text="The closing that asked for it."
    )
    refund = models.OneToOneField(Refund, on_delete=models.PROTECT, null=True, related_name="request", help_text="What Stripe made of it.")
    sent_at = models.DateTimeField(null=True, help_text="When Stripe was first asked.")
    next_check_at = models.DateTimeField(
        null=True, help_text="When the sweep looks at it again; null while it waits for a person, or is over."
    )
    checks = models.PositiveIntegerField(default=0, help_text="How often the sweep has looked; spaces the next looks.")
    failure_message = models.TextField(blank=True, help_text="Why no money went back, for the operator.")
    resolved_at = models.DateTimeField(null=True)

    class Meta(Proposal.Meta):
        constraints = [
            *Proposal.Meta.constraints,
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="refundrequest_amount_is_positive"),
            models.CheckConstraint(
                condition=Q(status__in=(*OPEN_REFUND_STATUSES, "rejected", "withdrawn"), resolved_at=None)
                | Q(status__in=("done", "failed"), resolved_at__isnull=False),
                name="refundrequest_is_open_or_resolved",
            ),
            models.CheckConstraint(condition=~Q(status="done") | Q(refund__isnull=False), name="refundrequest_has_its_refund_when_done"),
        ]
        indexes = [
            *Proposal.Meta.indexes,
            models.Index("next_check_at", condition=Q(next_check_at__isnull=False), name="refundrequest_due"),
        ]

    @property
    def is_open(self) -> bool:
        """Whether its money is set aside."""
        return self.status in OPEN_REFUND_STATUSES

    @property
    def hold_key(self) -> str:
        """The key of the hold that sets its money aside."""
        return f"refund:{self.pk}"


class WalletFreeze(models.Model):
    """From when to when a wallet was frozen, by whom and why. While one is open, `Wallet.frozen_at` stands."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="freezes")
    request_id = models.CharField(max_length=100, help_text="The form's own id: the same form sent again freezes nothing anew.")
    reason = models.CharField(max_length=REASON_CHARACTERS_MAX)
    frozen_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    frozen_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=REASON_CHARACTERS_MAX, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["wallet", "request_id"], name="freeze_request_is_unique_in_its_wallet"),
            models.UniqueConstraint(fields=["wallet"], condition=Q(ended_at=None), name="freeze_is_one_open_per_wallet"),
            models.CheckConstraint(condition=~Q(reason=""), name="freeze_has_a_reason"),
            models.CheckConstraint(
                condition=Q(ended_by=None, ended_at=None) | Q(ended_by__isnull=False, ended_at__isnull=False), name="freeze_end_has_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"freeze {self.id}"
