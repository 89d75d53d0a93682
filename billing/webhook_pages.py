"""The pages about webhook endpoints, a workspace's and the platform's: what each shows, does and says.

Who may open them, and where they stand, is for the views: billing.views.webhooks for owners, console.views.webhooks for staff.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing.limits import WEBHOOK_CHANGES_PER_WORKSPACE, WEBHOOK_SENDS_PER_WORKSPACE, Limit, try_to_spend
from billing.webhook_form import WebhookEndpointForm
from wallet.errors import EndpointDisabled, SecretLost, WalletRefusal
from wallet.models import CHOSEN_TYPES, Delivery, EventType, WebhookEndpoint
from wallet.outgoing_queries import ATTEMPTS_SHOWN_MAX, State, deliveries_of, endpoints_of, is_watched, state_of
from wallet.services import deliveries, webhook_endpoints
from workspaces.models import User, Workspace
from workspaces.responses import is_htmx, see_other

TOO_OFTEN = "That is enough for now. Try again in a few minutes."
ID_DIGITS_MAX = 18
PLATFORM = "platform"
"""Under this name the platform's tries are counted, as a workspace's under its id."""


@dataclass(frozen=True)
class Desk:
    """Whose endpoints they are, with None the platform's; where their pages stand, and what frames them.

    `frame` is the template that whole pages extend, `form_frame` that of forms and of single messages, which may be a dialog.
    """

    workspace: Workspace | None
    prefix: str
    arguments: tuple[object, ...]
    frame: str
    form_frame: str
    has_dialog: bool
    wallet_page: str = ""
    """Names the page of the wallet that a message is about, where messages are of many."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """What the frames need besides."""

    def address(self, name: str, *ids: int) -> str:
        """Of one of the pages, by the name that it has for owners."""
        return reverse(f"{self.prefix}{name}", args=[*self.arguments, *ids])


# ---------------------------------------------------------------- endpoints


@require_safe
def show_endpoints(request: HttpRequest, desk: Desk) -> HttpResponse:
    """All of them."""
    title = "Webhooks" if desk.workspace else "Webhook endpoints"
    return _page(request, desk, "endpoints.html", {"endpoints": endpoints_of(desk.workspace)}, title=title)


@require_http_methods(["GET", "HEAD", "POST"])
def new_endpoint(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Makes an endpoint; the answer itself shows its secret."""
    assert isinstance(request.user, User), "these pages are for people who are signed in"
    form = WebhookEndpointForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and _allowed(desk, form):
        try:
            made = webhook_endpoints.add_endpoint(desk.workspace, **_described(form), created_by=request.user)
        except WalletRefusal as refusal:
            form.add_error(None, str(refusal))
        else:
            context = {"endpoint": made.endpoint, "secret": made.secret, "is_new": True, "endpoints": endpoints_of(desk.workspace)}
            return _page(request, desk, "secret.html", context, title="Copy the signing secret")
    return _page(request, desk, "form.html", {"form": form}, title="Add endpoint", status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def edit_endpoint(request: HttpRequest, desk: Desk, endpoint_id: int) -> HttpResponse:
    """Changes address, description and events."""
    endpoint = _endpoint(desk, endpoint_id)
    initial = {"url": endpoint.url, "description": endpoint.description, "event_types": endpoint.event_types}
    form = WebhookEndpointForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid() and _allowed(desk, form):
        try:
            webhook_endpoints.change_endpoint(endpoint, **_described(form))
        except WalletRefusal as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "The endpoint was changed.")
            return see_other(request, desk.address("webhook_endpoint", endpoint.pk))
    context = {"form": form, "endpoint": endpoint}
    return _page(request, desk, "form.html", context, title="Edit endpoint", status=422 if form.is_bound else 200)


@require_safe
def show_endpoint(request: HttpRequest, desk: Desk, endpoint_id: int) -> HttpResponse:
    """One endpoint and its log; asked by htmx, the log alone, or the rows after those that are there."""
    found = _endpoint(desk, endpoint_id)
    context = {"endpoint": found, **_log(found, request.GET)}
    part = "_log_rows.html" if "before" in request.GET else "_log.html"
    return _page(request, desk, part if is_htmx(request) else "endpoint.html", context, title=_host(found))


@require_POST
def switch_endpoint(request: HttpRequest, desk: Desk, endpoint_id: int) -> HttpResponse:
    """Off, or on again."""
    found = _endpoint(desk, endpoint_id)
    if request.POST.get("to") == "on":
        webhook_endpoints.switch_on(found)
        messages.success(request, "The endpoint is switched on. What happened meanwhile is not sent by itself.")
    else:
        webhook_endpoints.switch_off(found)
        messages.success(request, "The endpoint is switched off. What waited to be sent was given up.")
    return _back(desk, found)


@require_http_methods(["GET", "HEAD", "POST"])
def remove_endpoint(request: HttpRequest, desk: Desk, endpoint_id: int) -> HttpResponse:
    """Asks once, then removes it."""
    found = _endpoint(desk, endpoint_id)
    if request.method != "POST":
        return _page(request, desk, "remove.html", {"endpoint": found}, title="Remove this endpoint?")
    webhook_endpoints.remove_endpoint(found)
    messages.success(request, f"Nothing is sent to {found.url} any more.")
    return see_other(request, desk.address("webhook_endpoints"))


@require_POST
def send_test(request: HttpRequest, desk: Desk, endpoint_id: int) -> HttpResponse:
    """Sends a test, and shows in the log what becomes of it."""
    found = _endpoint(desk, endpoint_id)

    def send() -> str:
        webhook_endpoints.send_test(found)
        return "A test is on its way. What becomes of it stands below."

    return _after_sending(request, desk, found, send)


@require_POST
def reveal_secret(request: HttpRequest, desk: Desk, endpoint_id: int) -> HttpResponse:
    """Shows the secret, as it was asked for."""
    found = _endpoint(desk, endpoint_id)
    try:
        secret = webhook_endpoints.reveal_secret(found)
    except SecretLost as lost:
        messages.error(request, str(lost))
        return see_other(request, desk.address("webhook_endpoint", found.pk))
    return _page(request, desk, "secret.html", {"endpoint": found, "secret": secret}, title="Signing secret")


@require_http_methods(["GET", "HEAD", "POST"])
def rotate_secret(request: HttpRequest, desk: Desk, endpoint_id: int) -> HttpResponse:
    """Asks what becomes of the old secret, then makes a new one and shows it."""
    found = _endpoint(desk, endpoint_id)
    if request.method != "POST":
        return _page(request, desk, "rotate.html", {"endpoint": found}, title="Make a new secret?")
    secret = webhook_endpoints.rotate_secret(found, old_signs_on=request.POST.get("old") != "ends")
    found.refresh_from_db()
    return _page(request, desk, "secret.html", {"endpoint": found, "secret": secret, "is_rotated": True}, title="Copy the new secret")


# ---------------------------------------------------------------- messages


@require_safe
def show_delivery(request: HttpRequest, desk: Desk, endpoint_id: int, delivery_id: int) -> HttpResponse:
    """One message: what was sent, and each attempt with its answer."""
    found = _delivery(desk, endpoint_id, delivery_id)
    attempts = found.log.order_by("-pk")[:ATTEMPTS_SHOWN_MAX]
    context = {"row": _row(found), "endpoint": found.endpoint, "attempts": attempts, "message": deliveries.message_of(found.event)}
    return _page(request, desk, "delivery.html", context, title=found.event.get_type_display())


@require_safe
def show_delivery_row(request: HttpRequest, desk: Desk, endpoint_id: int, delivery_id: int) -> HttpResponse:
    """Its row in the log, for a page that waits for news of it."""
    found = _delivery(desk, endpoint_id, delivery_id)
    return _page(request, desk, "_log_row.html", {"row": _row(found), "endpoint": found.endpoint}, title="")


@require_POST
def resend(request: HttpRequest, desk: Desk, endpoint_id: int, delivery_id: int) -> HttpResponse:
    """Sends the message again, whatever became of it."""
    found = _delivery(desk, endpoint_id, delivery_id)

    def send() -> str:
        deliveries.send_again(found)
        return "The message is on its way again."

    return _after_sending(request, desk, found.endpoint, send)


@require_POST
def resend_failed(request: HttpRequest, desk: Desk, endpoint_id: int) -> HttpResponse:
    """Sends again whatever was given up, as many as may go at once."""
    found = _endpoint(desk, endpoint_id)

    def send() -> str:
        count = deliveries.send_failed_again(found)
        return f"{count} message{'' if count == 1 else 's'} will be sent again, within minutes."

    return _after_sending(request, desk, found, send)


# ---------------------------------------------------------------- shared


def _page(request: HttpRequest, desk: Desk, template: str, context: Mapping[str, Any], *, title: str, status: int = 200) -> HttpResponse:
    return render(request, f"billing/webhooks/{template}", {**desk.context, "desk": desk, "title": title, **context}, status=status)


def _endpoint(desk: Desk, endpoint_id: int) -> WebhookEndpoint:
    return get_object_or_404(endpoints_of(desk.workspace).select_related("created_by"), pk=endpoint_id)


def _delivery(desk: Desk, endpoint_id: int, delivery_id: int) -> Delivery:
    rows = Delivery.objects.select_related("event__wallet__workspace", "endpoint")
    return get_object_or_404(rows, pk=delivery_id, endpoint=_endpoint(desk, endpoint_id))


def _host(endpoint: WebhookEndpoint) -> str:
    return urlsplit(endpoint.url).hostname or endpoint.url


def _described(form: WebhookEndpointForm) -> dict[str, Any]:
    return {"url": form.cleaned_data["url"], "description": form.cleaned_data["description"], "event_types": form.chosen_types}


def _allowed(desk: Desk, form: WebhookEndpointForm) -> bool:
    """Each try looks a name up for whoever asks."""
    if _spend(desk, WEBHOOK_CHANGES_PER_WORKSPACE):
        return True
    form.add_error(None, TOO_OFTEN)
    return False


def _after_sending(request: HttpRequest, desk: Desk, endpoint: WebhookEndpoint, send: Callable[[], str]) -> HttpResponse:
    """Back to the endpoint, with what `send` says that it did, or why nothing was sent."""
    if _spend(desk, WEBHOOK_SENDS_PER_WORKSPACE):
        try:
            messages.success(request, send())
        except EndpointDisabled as refusal:
            messages.error(request, str(refusal))
    else:
        messages.error(request, TOO_OFTEN)
    return _back(desk, endpoint)


def _spend(desk: Desk, limit: Limit) -> bool:
    return try_to_spend(limit, str(desk.workspace.pk) if desk.workspace else PLATFORM)


def _back(desk: Desk, endpoint: WebhookEndpoint) -> HttpResponse:
    return redirect(desk.address("webhook_endpoint", endpoint.pk))


def _row(delivery: Delivery) -> dict[str, Any]:
    return {"delivery": delivery, "event": delivery.event, "state": state_of(delivery).value, "is_watched": is_watched(delivery)}


def _log(endpoint: WebhookEndpoint, query: QueryDict) -> dict[str, Any]:
    """The log as the address asks for it; what it asks for wrongly is left out."""
    state = next((state for state in State if state == query.get("state")), None)
    event = next((event for event in EventType if event == query.get("event")), None)
    before = query.get("before", "")
    page = deliveries_of(endpoint, state=state, event=event, before=int(before) if _is_id(before) else None)
    return {
        "rows": [_row(delivery) for delivery in page.rows],
        "is_filtered": state is not None or event is not None,
        "state": state.value if state else "",
        "event": event.value if event else "",
        "chips": [{"label": "All", "state": ""}, *({"label": each.value.capitalize(), "state": each.value} for each in State)],
        "events": [*CHOSEN_TYPES, EventType.PING],
        "more": _address(state=state, event=event, before=page.before) if page.before else "",
    }


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= ID_DIGITS_MAX


def _address(**asked: object) -> str:
    query = QueryDict(mutable=True)
    query.update({name: str(value) for name, value in asked.items() if value})
    return query.urlencode()
