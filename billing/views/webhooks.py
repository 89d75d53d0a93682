"""Settings → Webhooks: the workspace's endpoints, their secrets, and what became of every message sent to them."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing.limits import WEBHOOK_CHANGES_PER_WORKSPACE, WEBHOOK_SENDS_PER_WORKSPACE, Limit, try_to_spend
from billing.webhook_form import WebhookEndpointForm
from wallet.errors import EndpointDisabled, SecretLost, WalletRefusal
from wallet.models import CHOSEN_TYPES, Delivery, EventType, WebhookEndpoint
from wallet.outgoing_queries import ATTEMPTS_SHOWN_MAX, State, deliveries_of, endpoints_of, is_watched, state_of
from wallet.services import deliveries, webhook_endpoints
from workspaces.access import WorkspaceRequest, admin_required
from workspaces.responses import is_htmx, see_other

TOO_OFTEN = "That is enough for now. Try again in a few minutes."
ID_DIGITS_MAX = 18


@admin_required
@require_safe
def endpoints(request: WorkspaceRequest) -> HttpResponse:
    """The workspace's endpoints."""
    return render(request, "billing/webhooks/endpoints.html", {"endpoints": endpoints_of(request.workspace)})


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def new_endpoint(request: WorkspaceRequest) -> HttpResponse:
    """Makes an endpoint; the answer itself shows its secret."""
    form = WebhookEndpointForm(request.POST or None)
    if form.is_valid() and _allowed(request, form):
        try:
            made = webhook_endpoints.add_endpoint(request.workspace, **_described(form), created_by=request.user)
        except WalletRefusal as refusal:
            form.add_error(None, str(refusal))
        else:
            context = {"endpoint": made.endpoint, "secret": made.secret, "is_new": True, "endpoints": endpoints_of(request.workspace)}
            return render(request, "billing/webhooks/secret.html", context)
    return render(request, "billing/webhooks/form.html", {"form": form}, status=422 if form.is_bound else 200)


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit_endpoint(request: WorkspaceRequest, endpoint_id: int) -> HttpResponse:
    """Changes address, description and events."""
    endpoint = _endpoint(request, endpoint_id)
    initial = {"url": endpoint.url, "description": endpoint.description, "event_types": endpoint.event_types}
    form = WebhookEndpointForm(request.POST or None, initial=initial)
    if form.is_valid() and _allowed(request, form):
        try:
            webhook_endpoints.change_endpoint(endpoint, **_described(form))
        except WalletRefusal as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "The endpoint was changed.")
            return see_other(request, "billing:webhook_endpoint", request.workspace.public_id, endpoint.pk)
    return render(request, "billing/webhooks/form.html", {"form": form, "endpoint": endpoint}, status=422 if form.is_bound else 200)


@admin_required
@require_safe
def endpoint(request: WorkspaceRequest, endpoint_id: int) -> HttpResponse:
    """One endpoint and its log; asked by htmx, the log alone, or the rows after those that are there."""
    found = _endpoint(request, endpoint_id)
    context = {"endpoint": found, **_log(found, request.GET)}
    part = "log_rows" if "before" in request.GET else "log"
    return render(request, f"billing/webhooks/_{part}.html" if is_htmx(request) else "billing/webhooks/endpoint.html", context)


@admin_required
@require_POST
def switch_endpoint(request: WorkspaceRequest, endpoint_id: int) -> HttpResponse:
    """Off, or on again."""
    found = _endpoint(request, endpoint_id)
    if request.POST.get("to") == "on":
        webhook_endpoints.switch_on(found)
        messages.success(request, "The endpoint is switched on. What happened meanwhile is not sent by itself.")
    else:
        webhook_endpoints.switch_off(found)
        messages.success(request, "The endpoint is switched off. What waited to be sent was given up.")
    return _back(request, found)


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def remove_endpoint(request: WorkspaceRequest, endpoint_id: int) -> HttpResponse:
    """Asks once, then removes it."""
    found = _endpoint(request, endpoint_id)
    if request.method != "POST":
        return render(request, "billing/webhooks/remove.html", {"endpoint": found})
    webhook_endpoints.remove_endpoint(found)
    messages.success(request, f"Nothing is sent to {found.url} any more.")
    return see_other(request, "billing:webhook_endpoints", request.workspace.public_id)


@admin_required
@require_POST
def send_test(request: WorkspaceRequest, endpoint_id: int) -> HttpResponse:
    """Sends a test, and shows in the log what becomes of it."""
    found = _endpoint(request, endpoint_id)
    if not _may_send(request):
        return _back(request, found)
    try:
        webhook_endpoints.send_test(found)
    except EndpointDisabled as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "A test is on its way. What becomes of it stands below.")
    return _back(request, found)


@admin_required
@require_POST
def reveal_secret(request: WorkspaceRequest, endpoint_id: int) -> HttpResponse:
    """Shows the secret, as it was asked for."""
    found = _endpoint(request, endpoint_id)
    try:
        secret = webhook_endpoints.reveal_secret(found)
    except SecretLost as lost:
        messages.error(request, str(lost))
        return see_other(request, "billing:webhook_endpoint", request.workspace.public_id, found.pk)
    return render(request, "billing/webhooks/secret.html", {"endpoint": found, "secret": secret})


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def rotate_secret(request: WorkspaceRequest, endpoint_id: int) -> HttpResponse:
    """Asks what becomes of the old secret, then makes a new one and shows it."""
    found = _endpoint(request, endpoint_id)
    if request.method != "POST":
        return render(request, "billing/webhooks/rotate.html", {"endpoint": found})
    secret = webhook_endpoints.rotate_secret(found, old_signs_on=request.POST.get("old") != "ends")
    found.refresh_from_db()
    return render(request, "billing/webhooks/secret.html", {"endpoint": found, "secret": secret, "is_rotated": True})


# ---------------------------------------------------------------- one message


@admin_required
@require_safe
def delivery(request: WorkspaceRequest, endpoint_id: int, delivery_id: int) -> HttpResponse:
    """One message: what was sent, and each attempt with its answer."""
    found = _delivery(request, endpoint_id, delivery_id)
    attempts = found.log.order_by("-pk")[:ATTEMPTS_SHOWN_MAX]
    context = {"row": _row(found), "endpoint": found.endpoint, "attempts": attempts, "message": deliveries.message_of(found.event)}
    return render(request, "billing/webhooks/delivery.html", context)


@admin_required
@require_safe
def delivery_row(request: WorkspaceRequest, endpoint_id: int, delivery_id: int) -> HttpResponse:
    """Its row in the log, for a page that waits for news of it."""
    found = _delivery(request, endpoint_id, delivery_id)
    return render(request, "billing/webhooks/_log_row.html", {"row": _row(found), "endpoint": found.endpoint})


@admin_required
@require_POST
def resend(request: WorkspaceRequest, endpoint_id: int, delivery_id: int) -> HttpResponseBase:
    """Sends the message again, whatever became of it."""
    found = _delivery(request, endpoint_id, delivery_id)
    if not _may_send(request):
        return _back(request, found.endpoint)
    try:
        deliveries.send_again(found)
    except EndpointDisabled as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "The message is on its way again.")
    return _back(request, found.endpoint)


# ---------------------------------------------------------------- shared


def _endpoint(request: WorkspaceRequest, endpoint_id: int) -> WebhookEndpoint:
    return get_object_or_404(endpoints_of(request.workspace).select_related("created_by"), pk=endpoint_id)


def _delivery(request: WorkspaceRequest, endpoint_id: int, delivery_id: int) -> Delivery:
    rows = Delivery.objects.select_related("event", "endpoint")
    return get_object_or_404(rows, pk=delivery_id, endpoint=_endpoint(request, endpoint_id))


def _described(form: WebhookEndpointForm) -> dict[str, Any]:
    return {"url": form.cleaned_data["url"], "description": form.cleaned_data["description"], "event_types": form.chosen_types}


def _allowed(request: WorkspaceRequest, form: WebhookEndpointForm) -> bool:
    """Each try looks a name up for whoever asks."""
    if _spend(request, WEBHOOK_CHANGES_PER_WORKSPACE):
        return True
    form.add_error(None, TOO_OFTEN)
    return False


def _may_send(request: WorkspaceRequest) -> bool:
    if _spend(request, WEBHOOK_SENDS_PER_WORKSPACE):
        return True
    messages.error(request, TOO_OFTEN)
    return False


def _spend(request: WorkspaceRequest, limit: Limit) -> bool:
    return try_to_spend(limit, str(request.workspace.pk))


def _back(request: WorkspaceRequest, endpoint: WebhookEndpoint) -> HttpResponse:
    return redirect("billing:webhook_endpoint", request.workspace.public_id, endpoint.pk)


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
