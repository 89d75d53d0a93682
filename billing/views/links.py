"""Payment links as their owner sees them: the panel that waits with the QR code, mailing, withdrawing, and connecting a card by one."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing.forms import RecipientForm, is_request_id
from billing.limits import MAILS_PER_WALLET, spend
from billing.qr import NARROW_PIXELS, WIDTH_PIXELS, qr_svg
from billing.views.rendering import STILL_PROCESSING_AFTER, limited, render_panel, wallet_of
from wallet.errors import GatewayError, LinkUnusable, WalletRefusal
from wallet.models import CardSetup, Notice, PaymentLink, TopUp
from wallet.queries import open_payment_links
from wallet.services.checkout import withdraw_payment_link
from wallet.services.payment_links import (
    LinkState,
    email_payment_link,
    link_state,
    payment_link_token,
    payment_link_url,
    request_payment_link,
)
from workspaces.access import WorkspaceRequest, billing_required
from workspaces.responses import is_htmx

AUTOMATIC_PAYMENTS = "automatic-payments"
"""`then` in the address of a link that connects a card: the panel goes on to the rule once the card is there."""


@require_safe
@billing_required
def payment_link(request: WorkspaceRequest, link_id: UUID) -> HttpResponseBase:
    """The panel of one link, live: asked with `seen`, it answers 204 until there is something new to show."""
    link = _link(request, link_id)
    context = _context(request, link)
    attempt = context["attempt"]
    if _then(request) and isinstance(attempt, CardSetup) and attempt.card_id is not None:
        return redirect(f"{reverse('billing:automatic_payments', args=[request.workspace.public_id])}?card={attempt.card_id}")
    if is_htmx(request) and request.GET.get("seen") == context["stamp"]:
        return HttpResponse(status=204)
    return _show(request, context)


@require_POST
@billing_required
@limited
def email(request: WorkspaceRequest, link_id: UUID) -> HttpResponseBase:
    """Mails the link to whoever pays."""
    link, form = _link(request, link_id), RecipientForm(request.POST)
    if form.is_valid():
        spend(MAILS_PER_WALLET, str(link.wallet_id))
        try:
            email_payment_link(link, recipient=form.cleaned_data["recipient"])
        except LinkUnusable as refusal:
            form.add_error(None, str(refusal))
    if form.errors:
        return _show(request, _context(request, link) | {"form": form}, status=422)
    return redirect(_address(request, link))


@require_POST
@billing_required
def withdraw(request: WorkspaceRequest, link_id: UUID) -> HttpResponseBase:
    """Ends the link; where it was paid at the last moment, the answer says so."""
    link = _link(request, link_id)
    try:
        state = withdraw_payment_link(link)
    except GatewayError:
        # The link is closed for new payers already; the sweep ends its open session at Stripe.
        state = link_state(link)
    if request.POST.get("then") != "billing":
        return redirect(_address(request, link))
    if state is LinkState.WITHDRAWN:
        messages.success(request, "The payment link was withdrawn.")
    return redirect("billing:billing", request.workspace.public_id)


@require_http_methods(["GET", "HEAD", "POST"])
@billing_required
def connect_card(request: WorkspaceRequest) -> HttpResponseBase:
    """Three ways to connect a card, all of them one link: the one that is open already, or a new one."""
    wallet, request_id = wallet_of(request), request.POST.get("request_id", "")
    link = next((link for link in open_payment_links(wallet) if link.purpose == PaymentLink.Purpose.CONNECT_CARD), None)
    if link is not None:
        return redirect(_address(request, link))
    if request.method != "POST" or not is_request_id(request_id):
        return render_panel(request, "connect_card", {"wallet": wallet, "then": _then(request)})
    try:
        link = request_payment_link(wallet, purpose=PaymentLink.Purpose.CONNECT_CARD, request_id=request_id, requested_by=request.user)
    except WalletRefusal as refusal:
        return render_panel(request, "refused", {"refusal": refusal}, status=422)
    return redirect(_address(request, link))


def _then(request: WorkspaceRequest) -> str:
    """Where to go once the card is connected: asked for by a form, and kept in the address from there on."""
    asked = request.POST.get("then") or request.GET.get("then")
    return AUTOMATIC_PAYMENTS if asked == AUTOMATIC_PAYMENTS else ""


def _address(request: WorkspaceRequest, link: PaymentLink, *, name: str = "payment_link") -> str:
    """Of the link's panel, or of what is done to it."""
    address = reverse(f"billing:{name}", args=[request.workspace.public_id, link.pk])
    return f"{address}?then={then}" if (then := _then(request)) else address


def _link(request: WorkspaceRequest, link_id: UUID) -> PaymentLink:
    return get_object_or_404(PaymentLink.objects.select_related("wallet__workspace"), pk=link_id, wallet__workspace=request.workspace)


def _show(request: WorkspaceRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    return render_panel(request, "payment_link", context, status=status, changed=True)


def _context(request: WorkspaceRequest, link: PaymentLink) -> dict[str, Any]:
    state = link_state(link)
    attempt = _latest_attempt(link)
    context = {
        "link": link,
        "state": state.value,
        "wallet": link.wallet,
        "connects": link.purpose == PaymentLink.Purpose.CONNECT_CARD,
        "attempt": attempt,
        "takes_long": _takes_long(attempt),
        "declined": _was_declined(link, attempt),
        "then": _then(request),
        "here": _address(request, link),
        "email_url": _address(request, link, name="email_link"),
        "withdraw_url": _address(request, link, name="withdraw_link"),
    }
    context["stamp"] = ".".join(str(part) for part in (state.value, context["declined"], context["takes_long"]))
    return context | (_open_context(link) if state is LinkState.OPEN else {})


def _open_context(link: PaymentLink) -> dict[str, Any]:
    url = payment_link_url(link)
    sent = Notice.objects.filter(wallet_id=link.wallet_id, kind=Notice.Kind.PAYMENT_LINK, reference__startswith=str(link.pk))
    return {
        "url": url,
        "pay_path": reverse("billing:pay", args=[payment_link_token(link)]),
        "qr": qr_svg(url, label="QR code of the payment link", width_pixels=WIDTH_PIXELS if link.amount_micros else NARROW_PIXELS),
        # Once each, also where the operator had it mailed again.
        "sent_to": list(dict.fromkeys(sent.order_by("created_at").values_list("recipient", flat=True))),
        "form": RecipientForm(),
    }


def _latest_attempt(link: PaymentLink) -> TopUp | CardSetup | None:
    """The attempt that paid, or else the newest one."""
    if link.purpose == PaymentLink.Purpose.CONNECT_CARD:
        return link.card_setups.select_related("card").order_by("-created_at").first()
    return link.top_ups.filter(status=TopUp.Status.SUCCEEDED).first() or link.top_ups.order_by("-created_at").first()


def _takes_long(attempt: TopUp | CardSetup | None) -> bool:
    return attempt is not None and attempt.created_at < timezone.now() - STILL_PROCESSING_AFTER


def _was_declined(link: PaymentLink, attempt: TopUp | CardSetup | None) -> bool:
    """Whether a card was declined while the link waits. Why is between the payer and the bank: the payment page tells it."""
    return bool(link.declines or (isinstance(attempt, TopUp) and attempt.decline_code))
