"""A month under other prices, or under another rule of automatic payments. Reads only."""

from datetime import date, datetime, time

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from console.forms import WhatIfForm
from console.rendering import console_page
from console.search import wallets_found
from usage.errors import PriceSheetInvalid
from usage.models import RateCard
from usage.queries import month_after
from usage.services.price_sheets import read_sheet, sheet_lines
from usage.services.prices import Terms
from usage.services.what_if import WhatIf, simulate_month
from wallet.errors import RuleInvalid
from wallet.models import Wallet
from wallet.queries import seqs_between

ROWS_MAX = 200_000
"""What is gone through while somebody waits: some seconds."""


def show_what_if(request: HttpRequest) -> HttpResponse:
    """The form, and what came of it. GET alone: it changes nothing, and an address can be passed on."""
    if not request.GET:
        form = WhatIfForm(initial={"month": f"{timezone.now():%Y-%m}"})
        return console_page(request, "what_if.html", {"form": form}, title="What if")
    form, answer = WhatIfForm(request.GET), None
    wallet = None
    if form.is_valid():
        try:
            wallet = _wallet(form.cleaned_data["workspace"])
            answer = _simulated(form, wallet)
        except ValidationError as error:
            form.add_error(None, error)
    context = {"form": form, "answer": answer, "wallet": wallet}
    return console_page(request, "what_if.html", context, title="What if", status=200 if answer else 422)


def _simulated(form: WhatIfForm, wallet: Wallet) -> WhatIf:
    """Raises ValidationError with what to do instead."""
    first_day = form.cleaned_data["month"].date()
    if _rows(wallet, first_day) > ROWS_MAX:
        raise ValidationError(f"This month has more than {ROWS_MAX:,} rows: too long to wait for here. Take a smaller workspace.")
    try:
        return simulate_month(wallet, first_day=first_day, terms=_terms(form, wallet), rule=form.rule())
    except PriceSheetInvalid as error:
        raise ValidationError([f"Line {fault.line}: {fault.words}" for fault in error.faults[:10]]) from error
    except (RuleInvalid, ValueError) as error:
        raise ValidationError(str(error)) from error


def _wallet(text: str) -> Wallet:
    found = wallets_found(text)
    if len(found) != 1:
        raise ValidationError("No workspace is found by that." if not found else f"{len(found)} workspaces are found by that: give its id.")
    return Wallet.objects.select_related("workspace").get(pk=next(iter(found)))


def _rows(wallet: Wallet, first_day: date) -> int:
    since, until = (datetime.combine(day, time(), tzinfo=wallet.workspace.zone) for day in (first_day, month_after(first_day)))
    above, below = seqs_between(wallet, since=since, until=until)
    return below - above - 1


def _terms(form: WhatIfForm, wallet: Wallet) -> list[Terms]:
    card: RateCard | None = form.cleaned_data["card"]
    if card is not None and card.currency != wallet.currency:
        raise ValidationError(f"That card is in {card.currency.upper()}, and the wallet in {wallet.currency.upper()}.")
    text = "".join(sheet_lines(card, at=timezone.now())) if card is not None else form.cleaned_data["sheet"]
    return read_sheet(text) if text.strip() else []
