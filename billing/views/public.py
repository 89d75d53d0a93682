"""The public payment pages: whoever holds the link may pay, nobody signs in, and nothing is told but name and amount.

A token that is unknown, malformed, expired or withdrawn gets one and the same 404.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect

from billing.limits import (
    CHECKOUTS_PER_ADDRESS,
    CHECKOUTS_PER_LINK,
    RETURNS_PER_LINK,
    UNKNOWN_TOKENS_PER_ADDRESS,
    client_address,
    exceeded,
    note,
    spend,
    try_to_spend,
)
from billing.views.rendering import limited, render_try_again
from wallet.errors import GatewayError, LinkUnusable
from wallet.models import AutomaticPayments, Origin, PaymentLink, TopUp
from wallet.services.checkout import open_checkout, return_from_checkout
from wallet.services.payment_links import LinkState, find_payment_link, link_state
from workspaces.models import User
from workspaces.queries import membership_in
from workspaces.responses import is_htmx

P = ParamSpec("P")

_GONE = (LinkState.EXPIRED, LinkState.WITHDRAWN)
_NOT_OPEN = {LinkState.USED: "already", LinkState.PROCESSING: "processing", LinkState.COVERED: "covered"}
CHARGED_WITHIN = timedelta(minutes=15)
"""So long a payer is told that a saved card was charged since the link was made."""


def private(view: Callable[Concatenate[HttpRequest, P], HttpResponseBase]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """The address is the key: it must not be kept, indexed or passed on."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        add_never_cache_headers(response)
        response["X-Robots-Tag"] = "noindex, nofollow"
        response["Referrer-Policy"] = "no-referrer"
        return response

    return guarded


@private
@require_http_methods(["GET", "HEAD", "POST"])
@csrf_protect
@limited
def pay(request: HttpRequest, token: str) -> HttpResponseBase:
    """Who asks, what for and how much; the button leads to the hosted payment page."""
    if exceeded(UNKNOWN_TOKENS_PER_ADDRESS, client_address(request)):
        return render_try_again(request, status=429)
    link = _find(request, token)
    if link is None or (state := link_state(link)) in _GONE:
        return _unusable(request)
    if state is not LinkState.OPEN:
        return _render(request, link, state=_NOT_OPEN[state])
    return _open_checkout(request, link) if request.method == "POST" else _render(request, link, state="open")


@private
@require_safe
@limited
def pay_return(request: HttpRequest, token: str) -> HttpResponseBase:
    """Back from the payment page. Whether it was paid is asked of Stripe; the address alone proves nothing."""
    if exceeded(UNKNOWN_TOKENS_PER_ADDRESS, client_address(request)):
        return render_try_again(request, status=429)
    link = _find(request, token)
    if link is None:
        return _unusable(request)
    state, asked = _ask(link)
    if state is LinkState.USED:
        return _render(request, link, state="paid")
    if state is LinkState.PROCESSING or not asked:
        return _render(request, link, state="processing")
    if state is LinkState.COVERED:
        return _render(request, link, state="covered")
    back = redirect("billing:pay", token)
    return HttpResponseClientRedirect(back.url) if is_htmx(request) else back


def _find(request: HttpRequest, token: str) -> PaymentLink | None:
    """The link; a miss counts against the caller's address."""
    try:
        return find_payment_link(token)
    except LinkUnusable:
        note(UNKNOWN_TOKENS_PER_ADDRESS, client_address(request))
        return None


def _open_checkout(request: HttpRequest, link: PaymentLink) -> HttpResponseBase:
    spend(CHECKOUTS_PER_ADDRESS, client_address(request))
    spend(CHECKOUTS_PER_LINK, str(link.pk))
    connects = link.purpose == PaymentLink.Purpose.CONNECT_CARD
    try:
        return redirect(open_checkout(link, saves_card=connects or "saves_card" in request.POST))
    except LinkUnusable:
        # Paid or withdrawn since the page was opened: asked again, the page says which.
        return redirect(request.path)
    except GatewayError:
        return render_try_again(request, status=503)


def _ask(link: PaymentLink) -> tuple[LinkState, bool]:
    """How the link stands, and whether Stripe could be asked about it."""
    state = link_state(link)
    if state is LinkState.USED or not try_to_spend(RETURNS_PER_LINK, str(link.pk)):
        return state, state is LinkState.USED
    try:
        return return_from_checkout(link), True
    except GatewayError:
        return link_state(link), False


def _render(request: HttpRequest, link: PaymentLink, *, state: str) -> HttpResponse:
    user = request.user
    membership = membership_in(user, public_id=link.wallet.workspace.public_id) if isinstance(user, User) else None
    context = {
        "link": link,
        "state": state,
        "workspace": link.wallet.workspace,
        "currency": link.wallet.currency,
        "connects": link.purpose == PaymentLink.Purpose.CONNECT_CARD,
        "confirms": AutomaticPayments.objects.filter(confirmation_link=link).exists(),
        "was_covered": state == "open" and _was_covered(link),
        "may_bill": membership is not None and membership.may_bill,
    }
    return render(request, "billing/_pay.html" if is_htmx(request) else "billing/pay.html", context)


def _was_covered(link: PaymentLink) -> bool:
    """Whether a saved card was charged a moment ago, so that who holds the link had better ask whether it is still needed."""
    since = max(link.created_at, timezone.now() - CHARGED_WITHIN)
    charged = TopUp.objects.filter(wallet=link.wallet_id, origin=Origin.AUTOMATIC, status=TopUp.Status.SUCCEEDED, resolved_at__gt=since)
    return link.purpose == PaymentLink.Purpose.PAY and charged.exists()


def _unusable(request: HttpRequest) -> HttpResponse:
    return render(request, "billing/pay_unusable.html", status=404)
