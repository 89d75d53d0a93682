"""What the pages of the operator's acts share: who may open them, whose wallet it is, how a refusal is said. No act happens here."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from wallet.errors import AlreadyResolved, GatewayError, IdempotencyConflict, WalletRefusal
from wallet.models import Wallet
from wallet.money import MoneyError, format_exact, format_money
from wallet.unspent_queries import paid_left_micros
from workspaces.models import User
from workspaces.staff import StaffRole, staff_required

ROLES = (StaffRole.FINANCE,)
"""Who may open any of these pages: support reads what was done on the wallet's own page."""

View = Callable[..., HttpResponseBase]


def act_page(view: View) -> View:
    """A page of the console for finance: to be read, and to be sent. Whoever is not staff is sent to sign in, or away."""
    guarded = staff_required(*ROLES)(require_http_methods(["GET", "HEAD", "POST"])(view))
    return admin.site.admin_view(guarded)


def actor(request: HttpRequest) -> User:
    """The person who acts; the guard has let nobody else in."""
    assert isinstance(request.user, User), "act_page lets in nobody who is not signed in."
    return request.user


def wallet_of(public_id: str) -> Wallet:
    """The wallet of the workspace with that id, read now; 404 where there is none."""
    return get_object_or_404(Wallet.objects.select_related("workspace"), workspace__public_id=public_id)


def show(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    title: str,
    wallet: Wallet | None = None,
    status: int = 200,
) -> HttpResponse:
    """A page within the admin site's frame, with the wallet's figures beside it."""
    page = {**admin.site.each_context(request), "title": title}
    if wallet is not None:
        page |= {"wallet": wallet, "workspace": wallet.workspace, "zone": wallet.workspace.zone, "figures": figures_of(wallet)}
    return render(request, f"console/acts/{template}.html", {**page, **(context or {})}, status=status)


def form_page(
    request: HttpRequest,
    wallet: Wallet,
    form: forms.Form,
    *,
    title: str,
    button: str,
    act: Callable[[], str],
    template: str = "form",
    context: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """The form; sent and accepted, what it asks for is done by `act`, which answers where to go then."""
    if form.is_valid():
        with said_in(form):
            return redirect(act())
    page = {"form": form, "button": button, **(context or {})}
    return show(request, template, page, title=title, wallet=wallet, status=422 if form.is_bound else 200)


@contextmanager
def said_in(form: forms.Form) -> Iterator[None]:
    """What a service refuses is said in the form, and nothing was done."""
    try:
        yield
    except GatewayError:
        form.add_error(None, "Stripe gives no answer just now, so nothing was changed. Try again in a minute.")
    except (WalletRefusal, AlreadyResolved, IdempotencyConflict, MoneyError) as refusal:
        form.add_error(None, str(refusal))


def figures_of(wallet: Wallet) -> list[tuple[str, str]]:
    """What the wallet has, in words: who acts on it should see it."""
    figures = [
        ("Available", wallet.available_micros),
        ("Balance", wallet.balance_micros),
        ("Held", wallet.held_micros),
        ("Promotions", wallet.promotion_micros),
        ("Paid and unspent", max(0, paid_left_micros(wallet))),
    ]
    return [(name, amount_words(wallet, micros)) for name, micros in figures]


def amount_words(wallet: Wallet, micros: int, *, signed: bool = False) -> str:
    """As exact as it needs to be."""
    written = format_money(micros, currency=wallet.currency, signed=signed)
    exact = format_exact(micros, currency=wallet.currency, signed=signed)
    return written if exact.rstrip("0") == written.rstrip("0") else exact
