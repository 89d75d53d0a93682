"""Automatic Payments: the panel where they are switched on, edited and switched off, and what an owner does when they stop.

Nothing is saved but what was shown: where the sentence or the charge of now has changed meanwhile, the form asks again.
"""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing.automatic_form import AutomaticPaymentsForm, agreement_on, form_to_start_with
from billing.automatic_state import automatic_of, standing_of
from billing.limits import AUTOMATIC_SAVES_PER_WALLET, AUTOMATIC_TRIES_PER_WALLET, spend
from billing.pace import burn_per_day, lasts_about
from billing.views.rendering import limited, render_panel, wallet_of
from wallet.errors import CardUnusable, RuleInvalid, WalletRefusal
from wallet.models import AutomaticPayments, TopUp, Wallet
from wallet.money import format_money
from wallet.queries import kept_cards
from wallet.services.automatic_payments import switch_off, switch_on, try_again
from workspaces.access import WorkspaceRequest, billing_required
from workspaces.responses import see_other

CHANGED_MEANWHILE = "Automatic payments have changed since this form was opened, perhaps in another tab. Look at it once more, then save."
READ_AGAIN = "This is what these numbers mean. Press Save once more to agree."


@require_http_methods(["GET", "HEAD", "POST"])
@billing_required
@limited
def automatic_payments(request: WorkspaceRequest) -> HttpResponseBase:
    """Without a card the way to one; with a card the rule, as it stands or as it is proposed."""
    wallet = wallet_of(request)
    if not kept_cards(wallet).exists():
        return render_panel(request, "automatic_connect", {"wallet": wallet})
    if request.method == "POST":
        return _save(request, wallet)
    burn, rule = burn_per_day(wallet, zone=request.workspace.zone), _rule(wallet)
    form = form_to_start_with(wallet, rule, burn_micros=burn, card_id=request.GET.get("card", ""))
    return _show(request, form, is_proposed=rule is None and burn is not None)


@require_safe
@billing_required
def agreement(request: WorkspaceRequest) -> HttpResponse:
    """What the numbers in the form mean, while they are typed: the sentence, and what saving would charge now."""
    form = AutomaticPaymentsForm(request.GET, wallet=wallet_of(request))
    # What is wrong is told beside its field once the form was sent; while it is typed, here.
    return render(request, "billing/_automatic_agreement.html", {"is_typed": True, **_agreement_context(request, form)})


@require_POST
@billing_required
@limited
def try_automatic_again(request: WorkspaceRequest) -> HttpResponseBase:
    """The owner's word that a stopped rule may charge again. A second click finds that it goes on already."""
    wallet = wallet_of(request)
    rule = _rule(wallet)
    if rule is None or not rule.is_active or request.POST.get("standing") != standing_of(rule):
        return see_other(request, "billing:billing", request.workspace.public_id)
    spend(AUTOMATIC_TRIES_PER_WALLET, str(wallet.pk))
    try:
        top_up = try_again(wallet)
    except CardUnusable as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Automatic payments go on.{_charging(top_up, wallet)}")
    return see_other(request, "billing:billing", request.workspace.public_id)


@require_POST
@billing_required
def switch_automatic_off(request: WorkspaceRequest) -> HttpResponse:
    """Charges nothing from here on; what is with the bank already is still added."""
    wallet = wallet_of(request)
    switch_off(wallet)
    charge = automatic_of(wallet, cards=[]).charge
    is_with_the_bank = charge is not None and charge.status != TopUp.Status.CREATED
    under_way = " The payment that is with your bank already is still added if the bank accepts it." if is_with_the_bank else ""
    messages.success(request, f"Automatic payments are off. Nothing more is charged.{under_way}")
    return see_other(request, "billing:billing", request.workspace.public_id)


def _rule(wallet: Wallet) -> AutomaticPayments | None:
    return AutomaticPayments.objects.filter(wallet=wallet).first()


def _save(request: WorkspaceRequest, wallet: Wallet) -> HttpResponse:
    form = AutomaticPaymentsForm(request.POST, wallet=wallet)
    if not form.is_valid():
        return _show(request, form, status=422)
    rule = _rule(wallet)
    agreed = agreement_on(form, rule)
    if form.cleaned_data["standing"] != standing_of(rule):
        if rule is not None and rule.is_active and rule.terms == agreed.terms and rule.consent_text == agreed.sentence:
            # The second click, or the other tab, of a form that was saved.
            return see_other(request, "billing:billing", request.workspace.public_id)
        return _show(request, form, status=422, asks_again=CHANGED_MEANWHILE)
    if not agreed.was_shown(consent=form.cleaned_data["consent"], announced=form.cleaned_data["announced"]):
        return _show(request, form, status=422, asks_again=READ_AGAIN)
    spend(AUTOMATIC_SAVES_PER_WALLET, str(wallet.pk))
    try:
        switched = switch_on(wallet, terms=agreed.terms, card=agreed.card, consent_text=agreed.sentence, consented_by=request.user)
    except RuleInvalid as error:
        form.add_error(error.field, str(error))
    except WalletRefusal as refusal:
        form.add_error(None, str(refusal))
    else:
        done = "Saved." if rule is not None and rule.is_active else "Automatic payments are active."
        messages.success(request, f"{done}{_charging(switched.top_up, wallet)}")
        return see_other(request, "billing:billing", request.workspace.public_id)
    return _show(request, form, status=422)


def _charging(top_up: TopUp | None, wallet: Wallet) -> str:
    """What is charged at once, to follow another sentence."""
    if top_up is None or top_up.card is None:
        return ""
    return f" {format_money(top_up.amount_micros, currency=wallet.currency)} is being charged to {top_up.card.label} now."


def _show(
    request: WorkspaceRequest, form: AutomaticPaymentsForm, *, status: int = 200, asks_again: str = "", is_proposed: bool = False
) -> HttpResponse:
    wallet, public_id = form.wallet, request.workspace.public_id
    context = {
        "wallet": wallet,
        "automatic": automatic_of(wallet, cards=form.cards),
        "standing": standing_of(_rule(wallet)),
        "asks_again": asks_again,
        "is_proposed": is_proposed,
        "off_url": reverse("billing:automatic_off", args=[public_id]),
        "agreement_url": reverse("billing:automatic_agreement", args=[public_id]),
        "panel_url": reverse("billing:automatic_payments", args=[public_id]),
        **_agreement_context(request, form),
    }
    return render_panel(request, "automatic_payments", context, status=status, changed=True)


def _agreement_context(request: WorkspaceRequest, form: AutomaticPaymentsForm) -> dict[str, Any]:
    """The sentence and the charge of now, for a form that is valid; otherwise its faults."""
    if not form.is_valid():
        return {"form": form, "wallet": form.wallet}
    agreed = agreement_on(form, _rule(form.wallet))
    each_micros = agreed.terms.amount_micros
    burn = burn_per_day(form.wallet, zone=request.workspace.zone) if each_micros else None
    return {
        "form": form,
        "wallet": form.wallet,
        "agreed": agreed,
        "each_lasts": _lasts(each_micros, burn_micros=burn) if each_micros else "",
    }


def _lasts(amount_micros: int, *, burn_micros: int | None) -> str:
    """`about 6 days`, to follow `lasts`."""
    lasts = lasts_about(amount_micros, burn_micros=burn_micros)
    return f"about {lasts}" if lasts[:1].isdigit() else lasts
