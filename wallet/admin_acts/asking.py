"""The forms by which finance acts on one wallet: adjust, give, refund, freeze, open again, close, mail a link again."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from wallet.admin_acts.forms import ActForm, AdjustForm, EndFreezeForm, PromotionForm, RefundForm, ResendForm
from wallet.admin_acts.pages import actor, amount_words, form_page, show, wallet_of
from wallet.models import PaymentLink, Proposal, TopUp, Wallet
from wallet.money import plain_decimal
from wallet.services.adjustments import request_adjustment
from wallet.services.closing import continue_closing, request_closing
from wallet.services.freezing import freeze_wallet, open_freeze, unfreeze_wallet
from wallet.services.payment_links import resend_payment_link
from wallet.services.promotion_grants import request_promotion
from wallet.services.refund_requests import request_refund
from wallet.services.refund_sending import send_refund
from wallet.services.second_person import alone_up_to_micros
from wallet.unspent_queries import unspent_top_ups

TOP_UPS_LISTED_MAX = 200
_FREEZING = (
    "Nothing new starts and no saved card is charged until it is opened again. Calls that run may finish, and open payment links can "
    "still be paid. The customer is told to write to you."
)
_CLOSING = (
    "No money comes in any more and nothing starts. Once what runs has ended, given credit lapses and unspent money goes back to the "
    "cards, newest top-up first. This cannot be undone."
)


def adjust(request: HttpRequest, public_id: str) -> HttpResponse:
    """Put money in or take it out."""
    wallet = wallet_of(public_id)
    form = AdjustForm(request.POST or None, wallet=wallet)

    def act() -> str:
        typed = form.cleaned_data
        adjustment = request_adjustment(
            wallet,
            amount_micros=typed["amount_micros"],
            reason=typed["reason"],
            words=typed["words"],
            may_go_below_zero=typed["may_go_below_zero"],
            request_id=typed["form_id"],
            by=actor(request),
        )
        return _to(request, wallet, adjustment, "console:adjustment", done="The adjustment is booked.")

    return form_page(request, wallet, form, title="Adjust the balance", button="Adjust", act=act, context=_limit(wallet))


def grant_promotion(request: HttpRequest, public_id: str) -> HttpResponse:
    """Give credit."""
    wallet = wallet_of(public_id)
    form = PromotionForm(request.POST or None, wallet=wallet)

    def act() -> str:
        typed = form.cleaned_data
        grant = request_promotion(
            wallet,
            amount_micros=typed["amount"],
            reason=typed["reason"],
            words=typed["words"],
            expires_at=form.expires_at,
            request_id=typed["form_id"],
            by=actor(request),
        )
        return _to(request, wallet, grant, "console:promotion", done="The promotion is granted.")

    return form_page(request, wallet, form, title="Grant a promotion", button="Grant", act=act, context=_limit(wallet))


def choose_refund(request: HttpRequest, public_id: str) -> HttpResponse:
    """Which top-up: those that brought money, newest first, each with its unspent part."""
    wallet = wallet_of(public_id)
    unspent = unspent_top_ups(wallet)
    top_ups = TopUp.objects.filter(wallet=wallet, status=TopUp.Status.SUCCEEDED).order_by("-resolved_at", "-pk")[:TOP_UPS_LISTED_MAX]
    rows = [(top_up, amount_words(wallet, top_up.amount_micros), amount_words(wallet, unspent.get(top_up.pk, 0))) for top_up in top_ups]
    return show(request, "refunds", {"rows": rows, "listed_max": TOP_UPS_LISTED_MAX}, title="Refund a top-up", wallet=wallet)


def refund(request: HttpRequest, public_id: str, top_up_id: UUID) -> HttpResponse:
    """Send part of a top-up back to its payer."""
    wallet = wallet_of(public_id)
    top_up = get_object_or_404(TopUp.objects.select_related("wallet"), pk=top_up_id, wallet=wallet, status=TopUp.Status.SUCCEEDED)
    unspent = unspent_top_ups(wallet).get(top_up.pk, 0)
    initial = {"amount": plain_decimal(unspent).rstrip("0").rstrip(".")} if unspent else {}
    form = RefundForm(request.POST or None, wallet=wallet, initial=initial)

    def act() -> str:
        typed = form.cleaned_data
        asked = request_refund(
            top_up,
            amount_micros=typed["amount"],
            reason=typed["reason"],
            override_reason=typed["override_reason"],
            request_id=typed["form_id"],
            by=actor(request),
        )
        # One that waits for its second person is not sent: the claim sees to that.
        return _to(request, wallet, send_refund(asked.pk), "console:refund_request", done="")

    facts = [
        ("Receipt", top_up.receipt_number),
        ("Paid", amount_words(wallet, top_up.amount_micros)),
        ("Paid with", top_up.paid_with),
        ("Unspent part", amount_words(wallet, unspent)),
    ]
    page = {"facts": facts, **_limit(wallet)}
    return form_page(request, wallet, form, title=f"Refund {top_up.receipt_number}", button="Refund", act=act, context=page)


def freeze(request: HttpRequest, public_id: str) -> HttpResponse:
    """Stop everything new."""
    wallet = wallet_of(public_id)
    if request.method != "POST" and open_freeze(wallet) is not None:
        return redirect("console:unfreeze", public_id)
    form = ActForm(request.POST or None, wallet=wallet)

    def act() -> str:
        frozen = freeze_wallet(wallet, reason=form.cleaned_data["reason"], request_id=form.cleaned_data["form_id"], by=actor(request))
        if frozen.ended_at is None:
            messages.success(request, "The wallet is frozen: nothing new starts, and no card is charged.")
        return _acts_of(wallet)

    page = {"words": _FREEZING, "danger": True}
    return form_page(request, wallet, form, title="Freeze the wallet", button="Freeze", act=act, context=page)


def unfreeze(request: HttpRequest, public_id: str) -> HttpResponse:
    """Open it again. The form names the freeze that it ends, so that an old one ends no other."""
    wallet = wallet_of(public_id)
    standing = open_freeze(wallet)
    form = EndFreezeForm(request.POST or None, initial={"freeze": standing.pk if standing else None})

    def act() -> str:
        freeze = get_object_or_404(wallet.freezes, pk=form.cleaned_data["freeze"])
        if freeze.ended_at is None:
            unfreeze_wallet(freeze.pk, reason=form.cleaned_data["reason"], by=actor(request))
            messages.success(request, "The wallet is open again.")
        return _acts_of(wallet)

    facts = [("Frozen by", standing.frozen_by.email), ("Because", standing.reason)] if standing else []
    words = "" if standing else "This wallet is not frozen by the console."
    page = {"facts": facts, "words": words, "hides_form": standing is None and not form.is_bound}
    return form_page(request, wallet, form, title="Open the wallet again", button="Unfreeze", act=act, context=page)


def close(request: HttpRequest, public_id: str) -> HttpResponse:
    """End the wallet and give back what is unspent."""
    wallet = wallet_of(public_id)
    form = ActForm(request.POST or None, wallet=wallet)

    def act() -> str:
        closing = request_closing(wallet, reason=form.cleaned_data["reason"], request_id=form.cleaned_data["form_id"], by=actor(request))
        return _to(request, wallet, continue_closing(closing.pk), "console:closing", done="The wallet is closed.")

    facts = [("Goes back to cards", amount_words(wallet, sum(unspent_top_ups(wallet).values())))]
    page = {"facts": facts, "words": _CLOSING, "danger": True, **_limit(wallet)}
    return form_page(request, wallet, form, title="Close the wallet", button="Close for good", act=act, context=page)


def resend_link(request: HttpRequest, public_id: str, link_id: UUID) -> HttpResponse:
    """Mail a payment link once more."""
    wallet = wallet_of(public_id)
    link = get_object_or_404(PaymentLink.objects.select_related("wallet"), pk=link_id, wallet=wallet)
    form = ResendForm(request.POST or None)

    def act() -> str:
        resend_payment_link(link, recipient=form.cleaned_data["recipient"], request_id=form.cleaned_data["form_id"])
        messages.success(request, f"The link is on its way to {form.cleaned_data['recipient']}.")
        return _acts_of(wallet)

    facts = [("Asks for", amount_words(wallet, link.amount_micros) if link.amount_micros else "a card")]
    return form_page(request, wallet, form, title="Mail a payment link again", button="Send", act=act, context={"facts": facts})


def _to(request: HttpRequest, wallet: Wallet, proposal: Proposal, url_name: str, *, done: str) -> str:
    """The proposal's own page; what happened is said there."""
    if proposal.is_waiting:
        messages.warning(request, "This is more than one person may move in a day: it waits for a second one of finance.")
    elif done:
        messages.success(request, done)
    return reverse(url_name, args=[wallet.workspace.public_id, proposal.pk])


def _acts_of(wallet: Wallet) -> str:
    return reverse("console:acts", args=[wallet.workspace.public_id])


def _limit(wallet: Wallet) -> dict[str, str]:
    return {"limit": amount_words(wallet, alone_up_to_micros(wallet.currency))}
