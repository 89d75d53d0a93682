"""Test runs in the Lab: chats and calls with a scripted agent, free or live, and what was said in chats.

A run is a row with a state, so that a call goes on through a reload and ends, charged, when its browser is gone.
"""

import math
import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from wallet.models import Wallet

if TYPE_CHECKING:
    from workspaces.models import User


class LabRun(models.Model):
    """One chat or call with a scripted agent. A chat has no end; a call has one, and is settled once after it."""

    class Kind(models.TextChoices):
        CHAT = "chat", "Chat Lab"
        VOICE = "voice", "Voice Lab"

    class Direction(models.TextChoices):
        OUT = "out", "Outbound"
        IN = "in", "Inbound"

    class EndReason(models.TextChoices):
        HUNG_UP = "hung_up", "Hung up"
        UNANSWERED = "unanswered", "Not answered"
        MONEY_GONE = "money_gone", "The money for it was used up"
        TIME_LIMIT = "time_limit", "Longest test call reached"
        PAGE_GONE = "page_gone", "Its page was closed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="lab_runs", db_index=False)
    request_id = models.CharField(max_length=32, help_text="The form's own id: whatever it is sent, twice or more, it is one run.")
    started_by: "models.ForeignKey[User | None, User | None]" = models.ForeignKey(
        "workspaces.User", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    kind = models.CharField(max_length=5, choices=Kind)
    is_live = models.BooleanField(help_text="Goes through the gate and is charged; otherwise it is free, whatever the wallet's state.")
    agent = models.CharField(max_length=40, help_text="Which of the scripts of lab_scripts.py.")
    direction = models.CharField(max_length=3, choices=Direction, blank=True, help_text="Of a call.")
    number = models.CharField(max_length=32, blank=True, help_text="The other side's number of a call, E.164. Nobody dials it.")
    started_at = models.DateTimeField(help_text="When a call began to ring, or a chat was opened.")
    answered_at = models.DateTimeField(null=True, help_text="From here on a call counts; it lies ahead while it rings. Null for a chat.")
    last_seen_at = models.DateTimeField(help_text="When the run's page was last heard of: a call without one ends.")
    hold_id = models.UUIDField(null=True, help_text="The hold that a live call was started with; null where nothing had to be held.")
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=10, choices=EndReason, blank=True)
    settled_at = models.DateTimeField(null=True, help_text="When the call's use was charged or reported; at most once.")
    live_micros = models.BigIntegerField(
        null=True, help_text="What a live run was charged; what a free one would have cost. Null while nothing says so."
    )
    answers = models.IntegerField(default=0, help_text="How often the agent of a chat has answered.")
    memory = models.JSONField(default=dict, help_text="What the agent of a chat remembers: lab_agents.Memory.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["wallet", "request_id"], name="lab_run_is_one_per_form"),
            models.CheckConstraint(
                condition=Q(kind="chat", answered_at=None, ended_at=None) | (Q(kind="voice", answered_at__isnull=False) & ~Q(direction="")),
                name="lab_run_is_a_chat_or_a_call",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, end_reason="") | (Q(ended_at__isnull=False) & ~Q(end_reason="")),
                name="lab_run_ends_with_a_reason",
            ),
            models.CheckConstraint(condition=Q(settled_at=None) | Q(ended_at__isnull=False), name="lab_run_settles_after_its_end"),
            models.CheckConstraint(condition=Q(live_micros=None) | Q(live_micros__gte=0), name="lab_run_cost_is_not_negative"),
        ]
        indexes = [
            models.Index("wallet", models.F("started_at").desc(), name="lab_run_newest_first"),
            models.Index("last_seen_at", condition=Q(kind="voice", settled_at=None), name="lab_run_call_to_settle"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} with {self.agent}"

    @property
    def is_call(self) -> bool:
        return self.kind == self.Kind.VOICE

    @property
    def is_inbound(self) -> bool:
        return self.direction == self.Direction.IN

    @property
    def seconds(self) -> int:
        """How long an ended call lasted, in whole seconds as they are charged: a begun one counts."""
        if self.ended_at is None or self.answered_at is None or self.end_reason == self.EndReason.UNANSWERED:
            return 0
        return max(1, math.ceil((self.ended_at - self.answered_at).total_seconds()))

    def seconds_at(self, now: datetime) -> int:
        """Whole seconds that the call has run by then; 0 while it rings."""
        assert self.answered_at is not None, "A call has the time of its answer from the start."
        return max(0, math.floor(((self.ended_at or now) - self.answered_at).total_seconds()))


class LabMessage(models.Model):
    """One message of a chat. The customer's and the agent's answer to it are written together, under the run's lock."""

    class Speaker(models.TextChoices):
        YOU = "you", "You"
        AGENT = "agent", "Agent"

    run = models.ForeignKey(LabRun, on_delete=models.CASCADE, related_name="messages", db_index=False)
    position = models.IntegerField(help_text="0 is the agent's greeting.")
    speaker = models.CharField(max_length=5, choices=Speaker)
    text = models.CharField(max_length=1000)
    request_id = models.CharField(max_length=32, null=True, help_text="The form's own id, of what the customer sent.")
    live_micros = models.BigIntegerField(null=True, help_text="What this answer cost, or would have cost, live.")
    said_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["run", "position"], name="lab_message_has_its_place"),
            models.UniqueConstraint(fields=["run", "request_id"], name="lab_message_is_one_per_form"),
        ]

    def __str__(self) -> str:
        return f"{self.speaker}: {self.text[:40]}"
