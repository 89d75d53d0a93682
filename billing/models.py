"""Files that workers make for people: what was asked for, how far it is, and the file itself. Facts and constraints only."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from wallet.models import Wallet

ERROR_CHARACTERS_MAX = 300
OPEN_STATES = ("waiting", "working")
"""Of a file that is still to be made."""


class Export(models.Model):
    """A file of rows that a worker makes: waiting → working → ready → expired, or failed.

    What belongs in it is fixed when it is asked for, so that rows booked meanwhile neither come in nor shift what is left. A worker
    walks from `first_place` to `last_place`; each part that it writes moves `place` on in the same transaction.
    """

    class Kind(models.TextChoices):
        TRANSACTIONS = "transactions", "Transactions"
        EVENTS = "events", "Events"
        JOURNAL = "journal", "Journal"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        WORKING = "working", "Being made"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"
        EXPIRED = "expired", "Expired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, null=True, related_name="exports", db_index=False, help_text="Whose rows; null for the journal."
    )
    is_operators = models.BooleanField(help_text="Asked for in the console: the workspace does not see it.")
    kind = models.CharField(max_length=12, choices=Kind)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    asked = models.JSONField(help_text="The filters as in the history's address, or the journal's days; and the zone whose days they are.")
    file_name = models.CharField(max_length=200)
    first_place = models.BigIntegerField(help_text="Where the walk begins: the rows below this seq, or this day of the journal.")
    last_place = models.BigIntegerField(help_text="Where it ends: at the rows above this seq, or before this day.")
    place = models.BigIntegerField(help_text="Where the next part begins.")
    rows_done = models.BigIntegerField(default=0)
    rows_total = models.BigIntegerField(null=True, help_text="As counted when a worker began; null where only the walk itself can tell.")
    bytes = models.BigIntegerField(default=0, help_text="Of the file as it is downloaded, so far.")
    chunks = models.PositiveIntegerField(default=0, help_text="How many parts there are.")
    claim = models.UUIDField(null=True, help_text="The turn of the worker that is at it; null between turns.")
    worked_at = models.DateTimeField(null=True, help_text="When a worker last began a turn or wrote a part.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Turns that were begun since the last part was written.")
    error = models.CharField(max_length=ERROR_CHARACTERS_MAX, blank=True, help_text="Why there is no file, for whoever asked for it.")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True, help_text="From here on it cannot be downloaded; the sweep removes its parts.")

    class Meta:
        constraints = [
            # Two presses at once: the second one's row is refused here, and it is shown the first one's.
            models.UniqueConstraint(
                fields=["wallet", "kind", "is_operators"],
                condition=Q(state__in=OPEN_STATES),
                nulls_distinct=False,
                name="export_is_one_open_per_wallet_and_kind",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "working", "ready", "failed", "expired"]), name="export_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(kind="journal", wallet=None, is_operators=True) | Q(kind__in=("transactions", "events"), wallet__isnull=False),
                name="export_is_of_a_wallet_or_the_operators_journal",
            ),
            models.CheckConstraint(
                condition=Q(state__in=OPEN_STATES, finished_at=None)
                | (~Q(state__in=OPEN_STATES) & Q(finished_at__isnull=False, claim=None)),
                name="export_is_open_or_finished",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=("ready", "expired")) | Q(expires_at__isnull=False), name="export_that_was_ready_expires"
            ),
        ]
        indexes = [
            models.Index("wallet", "requested_at", name="export_by_wallet"),
            models.Index("worked_at", condition=Q(state__in=OPEN_STATES), name="export_open"),
            models.Index("expires_at", condition=Q(state="ready"), name="export_ready_by_expiry"),
            models.Index("finished_at", condition=Q(state__in=("failed", "expired")), name="export_over"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id} {self.state}"

    @property
    def is_open(self) -> bool:
        """Whether a worker has still to do something."""
        return self.state in OPEN_STATES

    @property
    def percent(self) -> int:
        """How far the walk is, by its places; 100 only once it is ready."""
        if self.state == self.State.READY:
            return 100
        return min(99, 100 * abs(self.place - self.first_place) // max(1, abs(self.last_place - self.first_place)))


class ExportChunk(models.Model):
    """One part of a file, compressed. Written once, by whoever held the claim; removed with the file."""

    pk = models.CompositePrimaryKey("export_id", "number")
    export = models.ForeignKey(Export, on_delete=models.CASCADE, related_name="parts", db_index=False)
    number = models.PositiveIntegerField(help_text="0, 1, 2 … without a hole.")
    data = models.BinaryField(help_text="zlib.")

    def __str__(self) -> str:
        return f"part {self.number} of {self.export_id}"
