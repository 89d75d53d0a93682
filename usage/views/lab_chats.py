"""A chat with a scripted agent: its page, and saying something."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget

from usage.errors import NotAllowed
from usage.forms import SayForm, new_request_id
from usage.lab_scripts import AGENTS, agent_name
from usage.models import LabRun
from usage.services.lab_chats import ANSWERS_MAX, ChatIsFull, say
from usage.services.lab_use import price_of_answer
from usage.views.lab_shared import Refusal, refuse_live, run_of
from workspaces.access import WorkspaceRequest, member_required
from workspaces.responses import is_htmx


@require_safe
@member_required
def chat(request: WorkspaceRequest, run_id: UUID) -> HttpResponse:
    """What was said, and a field to say more."""
    run = run_of(request, run_id, kind=LabRun.Kind.CHAT)
    return _show(request, run, SayForm()) if run is not None else refuse_live(request)


@require_POST
@member_required
def say_something(request: WorkspaceRequest, run_id: UUID) -> HttpResponseBase:
    """The message and the agent's answer to it; for htmx those alone, otherwise the chat again."""
    run = run_of(request, run_id, kind=LabRun.Kind.CHAT)
    if run is None:
        return refuse_live(request)
    form = SayForm(request.POST)
    if not form.is_valid():
        return _refuse(request, run, form, Refusal(" ".join(form.faults())))
    try:
        messages = say(run.pk, text=form.cleaned_data["text"], request_id=form.cleaned_data["request_id"])
    except NotAllowed as error:
        return _refuse(request, run, form, Refusal.of(error))
    except ChatIsFull:
        return _refuse(request, run, form, Refusal(f"This chat has had {ANSWERS_MAX} answers. Start another one in the Lab."))
    if not is_htmx(request):
        return redirect(reverse("usage:lab_chat", args=[request.workspace.public_id, run.pk]) + "#say")
    run.refresh_from_db(fields=["answers", "live_micros"])
    return render(request, "lab/_said.html", _context(run) | {"messages_said": messages, "next_request_id": new_request_id(), "oob": True})


def _refuse(request: WorkspaceRequest, run: LabRun, form: SayForm, refusal: Refusal) -> HttpResponse:
    if not is_htmx(request):
        return _show(request, run, form, status=422, refusal=refusal)
    response = render(request, "lab/_refusal.html", {"refusal": refusal, "may_bill": request.membership.may_bill}, status=422)
    return reswap(retarget(response, "#say-refusal"), "innerHTML")


def _show(request: WorkspaceRequest, run: LabRun, form: SayForm, *, status: int = 200, refusal: Refusal | None = None) -> HttpResponse:
    context = _context(run) | {
        "messages_said": list(run.messages.all()),
        "form": form,
        "refusal": refusal,
        "may_bill": request.membership.may_bill,
        "suggestions": AGENTS[run.agent].suggestions if run.agent in AGENTS else (),
    }
    return render(request, "lab/chat.html", context, status=status)


def _context(run: LabRun) -> dict[str, Any]:
    return {"run": run, "agent": agent_name(run.agent), "wallet": run.wallet, "answer_micros": price_of_answer(run.wallet)}
