"""What the views of the billing pages share: the request's wallet, panels that are a dialog or a page, files, refusals by limits."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django_htmx.http import trigger_client_event

from billing.limits import LimiterUnavailable, LimitReached
from wallet.models import Wallet
from workspaces.access import WorkspaceRequest
from workspaces.responses import is_htmx

CHANGED = "wallet-changed"
"""The event that tells the page behind a dialog that money or cards have changed."""

RETRY_AFTER_SECONDS = 60
STILL_PROCESSING_AFTER = timedelta(seconds=12)
"""From here on a panel that waits says that it takes longer than usual."""

P = ParamSpec("P")
R = TypeVar("R", bound=HttpRequest)


def wallet_of(request: WorkspaceRequest) -> Wallet:
    """The wallet of the request's workspace, read now; 404 while there is none."""
    wallet = Wallet.objects.select_related("workspace").filter(workspace=request.workspace).first()
    if wallet is None:
        raise Http404
    return wallet


def render_panel(
    request: WorkspaceRequest, template: str, context: dict[str, Any], *, status: int = 200, changed: bool = False
) -> HttpResponse:
    """The panel alone for a dialog, or within a page of its own; `changed` has the page behind look whether it is up to date."""
    public_id, alone = request.workspace.public_id, is_htmx(request)
    context |= {
        "panel_base": "billing/panel.html" if alone else "billing/panel_page.html",
        "add_url": reverse("billing:add_balance", args=[public_id]),
    }
    response = render(request, f"billing/{template}.html", context, status=status)
    return trigger_client_event(response, CHANGED) if changed and alone else response


def attachment(content: bytes | str, *, file_name: str, content_type: str) -> HttpResponse:
    """A file to keep, of a name that needs no quoting."""
    return HttpResponse(content, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{file_name}"'})


def limited(view: Callable[Concatenate[R, P], HttpResponseBase]) -> Callable[Concatenate[R, P], HttpResponseBase]:
    """Answers 429 where a limit was reached, and 503 where it cannot be counted: what moves money fails closed."""

    @wraps(view)
    def guarded(request: R, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except LimitReached:
            return render_try_again(request, status=429)
        except LimiterUnavailable:
            return render_try_again(request, status=503)

    return guarded


def render_try_again(request: HttpRequest, *, status: int) -> HttpResponse:
    """Nothing was charged, and when to try again."""
    response = render(request, "billing/try_again.html", {"too_often": status == 429}, status=status)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
