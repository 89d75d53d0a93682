"""The kinds of use that stand in the ledger, and what people call them. Words only: what a use costs is decided elsewhere."""

from django.db import models


class UsageKind(models.TextChoices):
    """What was used; written to `Transfer.kind` beside the wallet's own kinds."""

    CALL_OUT = "call_out", "Outbound call"
    CALL_IN = "call_in", "Inbound call"
    MESSAGE_OUT = "message_out", "Text message"
    MESSAGE_IN = "message_in", "Inbound message"
    AI_TASK = "ai_task", "AI task"


CALLS = (UsageKind.CALL_OUT, UsageKind.CALL_IN)
MESSAGES = (UsageKind.MESSAGE_OUT, UsageKind.MESSAGE_IN)
