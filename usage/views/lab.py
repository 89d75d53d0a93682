"""The Lab's own page, and starting a chat or a call from it. Any member may try; only who manages billing may go live."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from usage.errors import NotAllowed
from usage.forms import StartCallForm, StartForm
from usage.lab_pages import recent_runs
from usage.lab_scripts import AGENTS
from usage.models import LabRun
from usage.services.lab_calls import CALL_MAX, RUNNING_MAX, CallPlan, TooManyCalls, start_call
from usage.services.lab_chats import start_chat
from usage.services.lab_use import price_of_answer
from usage.views.lab_shared import Refusal, refuse_live, wallet_of
from wallet.models import Wallet
from workspaces.access import WorkspaceRequest, member_required


@require_safe
@member_required
def lab(request: WorkspaceRequest) -> HttpResponse:
    """Chat Lab, Voice Lab and the newest runs."""
    return _show(request, is_live=request.GET.get("mode") == "live")


@require_POST
@member_required
def new_chat(request: WorkspaceRequest) -> HttpResponse:
    """Open a chat and go there."""
    form = StartForm(request.POST)

    def start(wallet: Wallet) -> LabRun:
        known = form.cleaned_data
        return start_chat(wallet, agent=known["agent"], is_live=form.is_live, request_id=known["request_id"], by=request.user)

    return _start(request, form, start, name="chat_form")


@require_POST
@member_required
def new_call(request: WorkspaceRequest) -> HttpResponse:
    """Let a test call ring and go there; refused where the gate says no."""
    form = StartCallForm(request.POST)

    def start(wallet: Wallet) -> LabRun:
        known = form.cleaned_data
        plan = CallPlan(agent=known["agent"], direction=known["direction"], number=known["number"], is_live=form.is_live)
        return start_call(wallet, plan, request_id=known["request_id"], by=request.user)

    return _start(request, form, start, name="call_form")


def _start(request: WorkspaceRequest, form: StartForm, start: Callable[[Wallet], LabRun], *, name: str) -> HttpResponse:
    wants_live = request.POST.get("mode") == "live"
    if wants_live and not request.membership.may_bill:
        return refuse_live(request)
    refusal = None
    if form.is_valid():
        try:
            run = start(wallet_of(request))
            return redirect("usage:lab_call" if run.is_call else "usage:lab_chat", request.workspace.public_id, run.pk)
        except NotAllowed as error:
            refusal = Refusal.of(error)
        except TooManyCalls:
            refusal = Refusal(f"{RUNNING_MAX} test calls are open already. Hang up one of them first.")
    return _show(request, is_live=wants_live, status=422, **{name: form, "refusal": refusal, "refused": name})


def _show(request: WorkspaceRequest, *, is_live: bool, status: int = 200, **given: Any) -> HttpResponse:
    wallet, may_bill = wallet_of(request), request.membership.may_bill
    is_live = is_live and may_bill
    mode = {"mode": "live" if is_live else "lab"}
    context = {
        "wallet": wallet,
        "agents": AGENTS.values(),
        "directions": LabRun.Direction,
        "is_live": is_live,
        "may_bill": may_bill,
        "chat_form": StartForm(initial=mode),
        "call_form": StartCallForm(initial=mode),
        "answer_micros": price_of_answer(wallet),
        "minutes_max": CALL_MAX.seconds // 60,
        "runs": recent_runs(wallet, with_live=may_bill),
        **given,
    }
    return render(request, "lab/lab.html", context, status=status)
