"""Whether Stripe, the ledger and the balances agree, and what to do where they do not."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from console import figures
from console.acts import RUN_GIVEN_UP_AFTER, RunUnderWay, request_run
from console.forms import ExplanationForm
from console.rendering import console_page
from wallet.models import Discrepancy, ReconciliationRun
from wallet.services.nightly import DiscrepancyChanged, doing_of, explain_discrepancy, is_cut_off
from workspaces.models import User
from workspaces.responses import is_htmx

OPEN_SHOWN = 200
RUNS_SHOWN = 10
SEALS_SHOWN = 7
EXPLAINED_SHOWN = 20


def show_reconciliation(request: HttpRequest) -> HttpResponse:
    """Books balance as of …, or what does not. While a run is under way the page asks again by itself."""
    under_way = figures.run_under_way()
    is_alive = under_way is not None and under_way.started_at > timezone.now() - RUN_GIVEN_UP_AFTER and not is_cut_off(under_way)
    return console_page(
        request,
        "_reconciliation_state.html" if is_htmx(request) else "reconciliation.html",
        {
            "newest": figures.newest_run(),
            "is_old": _is_old(figures.newest_run()),
            "under_way": under_way if is_alive else None,
            "doing": doing_of(under_way) if under_way else "",
            "cut_off": under_way if under_way and not is_alive else None,
            "discrepancies": Discrepancy.objects.filter(closed_at=None)
            .select_related("wallet__workspace")
            .order_by("first_seen_at")[:OPEN_SHOWN],
            "count": figures.open_discrepancies(),
            "explained": Discrepancy.objects.filter(explained_by__isnull=False)
            .select_related("explained_by")
            .order_by("-closed_at")[:EXPLAINED_SHOWN],
            "runs": ReconciliationRun.objects.order_by("-started_at")[:RUNS_SHOWN],
            "seals": figures.newest_seals(SEALS_SHOWN),
        },
        title="Reconciliation",
    )


def _is_old(run: ReconciliationRun | None) -> bool:
    return run is not None and run.finished_at is not None and run.finished_at < timezone.now() - figures.RUN_LATE_AFTER


@require_POST
def run_now(request: HttpRequest) -> HttpResponse:
    try:
        request_run()
        messages.success(request, "A worker compares everything now. This page shows how far it is.")
    except RunUnderWay:
        messages.info(request, "One is under way already.")
    return redirect("admin:console_reconciliation")


def show_discrepancy(request: HttpRequest, discrepancy_id: int) -> HttpResponse:
    """One of them, with what to do."""
    found = _found(discrepancy_id)
    return _discrepancy_page(request, found, ExplanationForm(initial={"seen": found.words}))


def _discrepancy_page(request: HttpRequest, found: Discrepancy, form: ExplanationForm, *, status: int = 200) -> HttpResponse:
    return console_page(request, "discrepancy.html", {"discrepancy": found, "form": form}, title=found.get_kind_display(), status=status)


@require_POST
def explain(request: HttpRequest, discrepancy_id: int) -> HttpResponse:
    """Somebody has looked."""
    found, form = _found(discrepancy_id), ExplanationForm(request.POST)
    if not form.is_valid():
        return _discrepancy_page(request, found, form, status=422)
    assert isinstance(request.user, User), "the console is for people who are signed in"
    seen, explanation = form.cleaned_data["seen"], form.cleaned_data["explanation"]
    try:
        explain_discrepancy(found, seen=seen, by=request.user, explanation=explanation)
    except DiscrepancyChanged as error:
        messages.error(request, str(error))
        found.refresh_from_db()
        again = ExplanationForm(initial={"seen": found.words, "explanation": explanation})
        return _discrepancy_page(request, found, again, status=409)
    messages.success(request, "Explained. It is not listed any more.")
    return redirect("admin:console_reconciliation")


def _found(discrepancy_id: int) -> Discrepancy:
    return get_object_or_404(Discrepancy.objects.select_related("wallet__workspace", "explained_by"), pk=discrepancy_id)
