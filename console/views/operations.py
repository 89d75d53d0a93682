"""Whether everything runs: what waits and since when, what last ran, and the switch over automatic payments."""

from dataclasses import dataclass
from datetime import timedelta

from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from console import figures
from console.forms import ReasonForm
from console.navigation import address_of
from console.rendering import console_page
from wallet.services.charging_switch import charging_switch, set_charging
from workspaces.models import User
from workspaces.responses import is_htmx
from workspaces.staff import StaffRole, may_act

SEAL_LATE_AFTER = timedelta(days=1, hours=3)
"""Yesterday is sealed within the hours after midnight, UTC."""


@dataclass(frozen=True)
class Concern:
    """Something that needs somebody, and where to go."""

    tone: str
    text: str
    href: str


def attention(reader: User | AnonymousUser) -> list[Concern]:
    """The concerns that the reader may look into, the gravest first; none where all is well."""
    found, now = [], timezone.now()
    operations, reconciliation = address_of("admin:console_operations"), address_of("admin:console_reconciliation")
    beat, run = figures.last_beat("sweep"), figures.newest_run()
    if beat is None or beat < now - figures.SWEEP_LATE_AFTER:
        found.append(Concern("danger", "The sweep has not run for minutes: is a worker with beat running?", operations))
    if count := figures.open_discrepancies():
        found.append(
            Concern(
                "danger", f"{count} discrepanc{'ies' if count > 1 else 'y'} between Stripe, the ledger and the balances.", reconciliation
            )
        )
    if run is None or (run.finished_at is not None and run.finished_at < now - figures.RUN_LATE_AFTER):
        found.append(Concern("warn", "No reconciliation has ended within a day.", reconciliation))
    if any(seal.day < (now - SEAL_LATE_AFTER).date() for seal in figures.newest_seals(1)):
        found.append(Concern("warn", "The books of yesterday are not sealed.", reconciliation))
    if figures.charging_paused_at() is not None:
        found.append(Concern("danger", "Automatic payments are paused.", operations))
    if late := [due.name.lower() for due in figures.due_rows() if due.is_late]:
        found.append(Concern("warn", f"Overdue: {', '.join(late)}.", operations))
    if count := figures.kept_aside():
        found.append(Concern("warn", f"{count} event{'s' if count > 1 else ''} kept aside.", address_of("admin:console_kept")))
    if count := figures.dead_events():
        found.append(
            Concern(
                "warn", f"{count} of Stripe’s events given up.", address_of("admin:wallet_webhookevent_changelist") + "?status__exact=dead"
            )
        )
    if (count := figures.platform_endpoints_given_up()) and may_act(reader, roles=[StaffRole.FINANCE]):
        words = f"{count} of the platform’s webhook endpoints {'was' if count == 1 else 'were'} switched off: nothing was taken."
        found.append(Concern("warn", words, address_of("admin:console_webhook_endpoints")))
    return sorted(found, key=lambda concern: concern.tone != "danger")


def show_operations(request: HttpRequest) -> HttpResponse:
    """The page; it asks again by itself."""
    return _page(request, ReasonForm())


def _page(request: HttpRequest, form: ReasonForm, *, status: int = 200) -> HttpResponse:
    now, beat = timezone.now(), figures.last_beat("sweep")
    context = {
        "now": now,
        "due": figures.due_rows(),
        "queues": figures.queue_lengths(),
        "beat": beat,
        "is_beat_late": beat is None or beat < now - figures.SWEEP_LATE_AFTER,
        "run": figures.newest_run(),
        "discrepancies": figures.open_discrepancies(),
        "kept": figures.kept_aside(),
        "dead": figures.dead_events(),
        "inbox": figures.inbox(),
        "unclear": figures.unclear_top_ups(),
        "webhooks": figures.webhooks_waiting(),
        "holds": figures.open_holds(),
        "unmatched": figures.unmatched_micros(),
        "seal": next(iter(figures.newest_seals(1)), None),
        "switch": charging_switch(),
        "form": form,
    }
    template = "_operations_figures.html" if is_htmx(request) else "operations.html"
    return console_page(request, template, context, title="Operations", status=status)


@require_POST
def switch_charging(request: HttpRequest) -> HttpResponse:
    """Pause, or go on; with a reason."""
    form, paused = ReasonForm(request.POST), request.POST.get("to") == "paused"
    if not form.is_valid():
        return _page(request, form, status=422)
    set_charging(paused=paused, reason=form.cleaned_data["reason"])
    messages.success(request, "Automatic payments are paused." if paused else "Automatic payments are charged again.")
    return redirect("admin:console_operations")
