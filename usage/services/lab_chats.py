"""Chats of the Chat Lab: each answer of the agent is one use, free on the lab meter or one AI task through the gate."""

from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from usage.lab_agents import Memory, reply
from usage.lab_scripts import AGENTS
from usage.models import LabMessage, LabRun
from usage.services.lab_use import charge_live, hold_live, live_cost, report_free
from wallet.models import Wallet
from workspaces.models import User

ANSWERS_MAX = 60
"""Where a chat ends: by then a script has said all that it can."""
TEXT_MAX = 500
ANSWER_MAX = 1000

Speaker = LabMessage.Speaker


class ChatIsFull(Exception):
    """The agent has answered ANSWERS_MAX times: begin another chat."""


@transaction.atomic
def start_chat(wallet: Wallet, *, agent: str, is_live: bool, request_id: str, by: User) -> LabRun:
    """Open a chat with the agent's greeting, which costs nothing. Idempotent by: `request_id`, in its wallet."""
    now = timezone.now()
    fields = {
        "kind": LabRun.Kind.CHAT,
        "is_live": is_live,
        "agent": agent,
        "started_by": by,
        "started_at": now,
        "last_seen_at": now,
    }
    run, is_new = LabRun.objects.get_or_create(wallet=wallet, request_id=request_id, defaults=fields)
    if is_new:
        LabMessage.objects.create(run=run, position=0, speaker=Speaker.AGENT, text=AGENTS[agent].greeting)
    return run


@transaction.atomic
def say(run_id: UUID, *, text: str, request_id: str) -> list[LabMessage]:
    """Say something, and the agent's answer to it; both, or where the gate refuses, neither.

    Locks: run, then wallet. Idempotent by: `request_id`, in its run. Raises: NotAllowed with the gate's reason; ChatIsFull.
    """
    run = LabRun.objects.select_for_update(of=("self",)).select_related("wallet__workspace").get(pk=run_id)
    said = run.messages.filter(request_id=request_id).first()
    if said is not None:
        return list(run.messages.filter(position__in=(said.position, said.position + 1)))
    if run.answers >= ANSWERS_MAX:
        raise ChatIsFull
    position = 1 + 2 * run.answers
    answer, memory = reply(AGENTS[run.agent], Memory.read(run.memory), text)
    cost_micros = _charge(run, position=position)
    messages = [
        LabMessage(run=run, position=position, speaker=Speaker.YOU, text=text[:TEXT_MAX], request_id=request_id),
        LabMessage(run=run, position=position + 1, speaker=Speaker.AGENT, text=answer[:ANSWER_MAX], live_micros=cost_micros),
    ]
    LabMessage.objects.bulk_create(messages)
    _remember(run, memory, cost_micros=cost_micros)
    return messages


def _charge(run: LabRun, *, position: int) -> int | None:
    """What this answer cost, or would have cost."""
    event_id, now = f"{run.pk}:{position}", timezone.now()
    if run.is_live:
        hold = hold_live(run, key=f"lab:{event_id}", expected_quantity=1)
        return charge_live(run, hold=hold, event_id=event_id, quantity=1, happened_at=now)
    report_free(run, event_id=event_id, quantity=1, happened_at=now)
    return live_cost(run, quantity=1, at=now)


def _remember(run: LabRun, memory: Memory, *, cost_micros: int | None) -> None:
    LabRun.objects.filter(pk=run.pk).update(
        memory=memory.as_json(),
        answers=F("answers") + 1,
        live_micros=run.live_micros if cost_micros is None else (run.live_micros or 0) + cost_micros,
        last_seen_at=timezone.now(),
    )
