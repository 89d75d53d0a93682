"""Add Balance: one form, then a charge on a saved card or a payment link.

The form's id stands in its address, so that Back and a second tab are no second payment.
"""

from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from billing.forms import AddBalanceForm, is_request_id, new_request_id, slider_stops
from billing.limits import TOP_UPS_PER_WALLET, spend
from billing.views.rendering import limited, render_panel, wallet_of
from wallet.errors import IdempotencyConflict, WalletRefusal
from wallet.models import PaymentLink, TopUp, Wallet
from wallet.money import MICROS, currency_of, format_money, symbol
from wallet.services.payment_links import request_payment_link
from wallet.services.top_ups import charge_top_up, request_top_up
from workspaces.access import WorkspaceRequest, billing_required


@require_http_methods(["GET", "HEAD", "POST"])
@billing_required
@limited
def add_balance(request: WorkspaceRequest) -> HttpResponseBase:
    """The form, and what it asks for. A form that was sent before leads to what came of it."""
    wallet = wallet_of(request)
    if request.method == "POST":
        return _send(request, wallet)
    request_id = request.GET.get("form", "")
    if not is_request_id(request_id):
        address = request.GET.copy()
        address["form"] = new_request_id()
        return redirect(f"{request.path}?{address.urlencode()}")
    if sent := _what_came_of(wallet, request_id):
        return redirect(sent)
    amount = request.GET.get("amount", "")[:20] or str(currency_of(wallet.currency).quick_amounts_micros[1] // MICROS)
    form = AddBalanceForm(initial={"request_id": request_id, "amount": amount}, wallet=wallet)
    return _show(request, form)


def _send(request: WorkspaceRequest, wallet: Wallet) -> HttpResponse:
    form = AddBalanceForm(request.POST, wallet=wallet)
    if not form.is_valid():
        return _show(request, form, status=422)
    try:
        return redirect(_act(request, form))
    except IdempotencyConflict:
        sent = _what_came_of(wallet, form.cleaned_data["request_id"])
        return render_panel(request, "already_sent", {"sent": sent}, status=422)
    except WalletRefusal as refusal:
        form.add_error(None, str(refusal))
        return _show(request, form, status=422)


def _act(request: WorkspaceRequest, form: AddBalanceForm) -> str:
    """Charge the card or make the link, and where to see what comes of it."""
    wallet, card, request_id = form.wallet, form.cleaned_data["pay_with"], form.cleaned_data["request_id"]
    sent = _what_came_of(wallet, request_id)
    if sent is None:
        spend(TOP_UPS_PER_WALLET, str(wallet.pk))
    elif sent != _address_of_kind(wallet, request_id, by_link=card is None):
        raise IdempotencyConflict("This form was already sent with another way to pay.")
    amount_micros = form.cleaned_data["amount"]
    if card is None:
        link = request_payment_link(
            wallet, purpose=PaymentLink.Purpose.PAY, amount_micros=amount_micros, request_id=request_id, requested_by=request.user
        )
        return _address("payment_link", wallet, link.pk)
    top_up = request_top_up(wallet, amount_micros=amount_micros, card=card, request_id=request_id, requested_by=request.user)
    charge_top_up(top_up.pk)
    return _address("top_up", wallet, top_up.pk)


def _what_came_of(wallet: Wallet, request_id: str) -> str | None:
    """Where the form with that id led, if it was sent before."""
    return _address_of_kind(wallet, request_id, by_link=False) or _address_of_kind(wallet, request_id, by_link=True)


def _address_of_kind(wallet: Wallet, request_id: str, *, by_link: bool) -> str | None:
    made = (PaymentLink if by_link else TopUp).objects.filter(wallet=wallet, request_id=request_id).first()
    return _address("payment_link" if by_link else "top_up", wallet, made.pk) if made else None


def _address(name: str, wallet: Wallet, key: UUID) -> str:
    return reverse(f"billing:{name}", args=[wallet.workspace.public_id, key])


def _show(request: WorkspaceRequest, form: AddBalanceForm, *, status: int = 200) -> HttpResponse:
    return render_panel(request, "add_balance", {"form": form, **_amount_context(form.wallet)}, status=status)


def _amount_context(wallet: Wallet) -> dict[str, Any]:
    """What the amount's controls need to know."""
    known = currency_of(wallet.currency)
    quick = [{"amount": micros // MICROS, "label": _short(micros, known.code)} for micros in known.quick_amounts_micros]
    return {
        "wallet": wallet,
        "known": known,
        "sign": symbol(known.code),
        "quick": quick,
        "stops": ",".join(map(str, slider_stops(known.code))),
    }


def _short(amount_micros: int, currency: str) -> str:
    """A round amount without its empty decimals: $20."""
    return format_money(amount_micros, currency=currency).partition(".")[0]
