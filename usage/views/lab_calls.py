"""A test call: its page, the pulse that keeps it going and up to date, and hanging up."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget

from usage.errors import Overloaded
from usage.lab_pages import show_call
from usage.models import LabRun
from usage.services.lab_calls import PAGE_GONE_AFTER, hang_up, watch_call
from usage.views.lab_shared import refuse_live, run_of
from workspaces.access import WorkspaceRequest, member_required
from workspaces.responses import is_htmx


@require_safe
@member_required
def call(request: WorkspaceRequest, run_id: UUID) -> HttpResponse:
    """The call as it stands. Looking at it is being there: without a script, the page asks again by itself."""
    run = run_of(request, run_id, kind=LabRun.Kind.VOICE)
    if run is None:
        return refuse_live(request)
    return render(request, "lab/call.html", _context(_watched(run)))


@require_POST
@member_required
def pulse(request: WorkspaceRequest, run_id: UUID) -> HttpResponse:
    """Somebody is still there: the figures, and the lines that were said since."""
    run = run_of(request, run_id, kind=LabRun.Kind.VOICE)
    if run is None:
        return refuse_live(request)
    context = _news(request, _watched(run))
    if context["call"].state != "ended":
        return render(request, "lab/_pulse.html", context)
    return reswap(retarget(render(request, "lab/_ended.html", context), "#call"), "outerHTML")


@require_POST
@member_required
def hang_up_call(request: WorkspaceRequest, run_id: UUID) -> HttpResponseBase:
    """End the call; pressed twice, it ends once."""
    run = run_of(request, run_id, kind=LabRun.Kind.VOICE)
    if run is None:
        return refuse_live(request)
    try:
        run = hang_up(run.pk)
    except Overloaded:
        run.refresh_from_db()
    if not is_htmx(request):
        return redirect("usage:lab_call", request.workspace.public_id, run.pk)
    return render(request, "lab/_ended.html", _news(request, run))


def _watched(run: LabRun) -> LabRun:
    try:
        return watch_call(run.pk)
    except Overloaded:
        # The wallet is busy: the call has ended all the same, and the sweep settles it.
        run.refresh_from_db()
        return run


def _context(run: LabRun) -> dict[str, Any]:
    return {"call": show_call(run), "run": run, "wallet": run.wallet, "gone_seconds": PAGE_GONE_AFTER.seconds}


def _news(request: WorkspaceRequest, run: LabRun) -> dict[str, Any]:
    """The call, and what of it the page that asks does not show yet."""
    context = _context(run)
    seen = _number(request.POST.get("seen", ""))
    return context | {"new_lines": context["call"].lines[seen:], "was": request.POST.get("state", ""), "oob": True}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
