"""Events that could not be charged: by reason, one by one, mended, taken again or given up."""

from collections.abc import Callable

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Max, Min
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from console import acts
from console.forms import MendForm, ReasonForm
from console.rendering import console_page
from usage.errors import AlreadyMended, NotMendable, Overloaded
from usage.models import KeptEvent

ROWS_SHOWN = 50
REASONS_SHOWN = 50


def show_reasons(request: HttpRequest) -> HttpResponse:
    """How many wait for each reason, and since when."""
    waiting = KeptEvent.objects.filter(status=KeptEvent.Status.KEPT)
    reasons = waiting.values("code").annotate(count=Count("pk"), since=Min("received_at"), latest=Max("received_at")).order_by("-count")
    resolved = KeptEvent.objects.exclude(status=KeptEvent.Status.KEPT).order_by("-pk")[:10]
    return console_page(request, "kept.html", {"reasons": reasons[:REASONS_SHOWN], "resolved": resolved}, title="Kept-aside events")


def show_kept_of(request: HttpRequest, code: str) -> HttpResponse:
    """Those of one reason, the oldest first."""
    waiting = KeptEvent.objects.filter(status=KeptEvent.Status.KEPT, code=code).order_by("received_at", "pk")
    page = Paginator(waiting, ROWS_SHOWN).get_page(request.GET.get("page"))
    return console_page(request, "kept_of.html", {"page": page, "code": code, "at_once": acts.REPLAYED_AT_ONCE}, title=_words(code))


def _words(code: str) -> str:
    return code.replace("_", " ").capitalize()


def show_kept(request: HttpRequest, kept_id: int) -> HttpResponse:
    """One of them."""
    return _kept_page(request, _found(kept_id))


def _kept_page(
    request: HttpRequest, kept: KeptEvent, *, mending: MendForm | None = None, discarding: ReasonForm | None = None
) -> HttpResponse:
    context = {
        "kept": kept,
        "mending": mending or MendForm(initial={"body": kept.body}, prefix="mend"),
        "discarding": discarding or ReasonForm(prefix="discard"),
        "is_waiting": kept.status == KeptEvent.Status.KEPT,
    }
    return console_page(request, "kept_event.html", context, title=_words(kept.code), status=422 if mending or discarding else 200)


@require_POST
def mend(request: HttpRequest, kept_id: int) -> HttpResponse:
    """Put what was typed in its place."""
    kept, form = _found(kept_id), MendForm(request.POST, prefix="mend")
    if not form.is_valid():
        return _kept_page(request, kept, mending=form)
    try:
        acts.mend(kept, body=form.cleaned_data["body"].replace("\r\n", "\n"), reason=form.cleaned_data["reason"])
    except NotMendable as error:
        form.add_error("body", str(error))
        return _kept_page(request, kept, mending=form)
    except AlreadyMended as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, "Mended. Replay it now.")
    return redirect("admin:console_kept_event", kept.pk)


@require_POST
def replay(request: HttpRequest, kept_id: int) -> HttpResponse:
    """Take it again."""
    kept = _found(kept_id)

    def act() -> None:
        replayed = acts.replay(kept)
        if replayed.kept.status == KeptEvent.Status.KEPT:
            messages.warning(request, f"It is kept aside still: {replayed.kept.reason}")
        else:
            messages.success(request, f"Taken: {replayed.outcome.taken.value.replace('_', ' ')}.")

    return _done(request, kept, act)


@require_POST
def discard(request: HttpRequest, kept_id: int) -> HttpResponse:
    """Give it up."""
    kept, form = _found(kept_id), ReasonForm(request.POST, prefix="discard")
    if not form.is_valid():
        return _kept_page(request, kept, discarding=form)

    def act() -> None:
        acts.discard(kept, reason=form.cleaned_data["reason"])
        messages.success(request, "Discarded. It stays to be read, with your reason.")

    return _done(request, kept, act)


def _done(request: HttpRequest, kept: KeptEvent, act: Callable[[], None]) -> HttpResponse:
    try:
        act()
    except (AlreadyMended, Overloaded) as error:
        messages.warning(request, str(error) or "Too much is going on just now. Try again in a minute.")
    return redirect("admin:console_kept_event", kept.pk)


@require_POST
def replay_all(request: HttpRequest, code: str) -> HttpResponse:
    """Take the oldest of that reason again."""
    try:
        taken, kept_still = acts.replay_all_of(code)
    except (AlreadyMended, Overloaded) as error:
        messages.warning(request, f"Stopped: {error} Press again to go on.")
        return redirect("admin:console_kept_of", code)
    messages.success(request, f"{taken} taken, {kept_still} kept aside still.")
    return redirect("admin:console_kept_of", code)


def _found(kept_id: int) -> KeptEvent:
    return get_object_or_404(KeptEvent, pk=kept_id)
