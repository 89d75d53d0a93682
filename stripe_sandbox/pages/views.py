"""The hosted pages' requests: look the session up, let paying.py act, and show or redirect."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_GET, require_http_methods

from stripe_sandbox import cards, currencies
from stripe_sandbox.operations import checkout_sessions, customers, paying, payment_methods
from stripe_sandbox.pages.application import SANDBOX
from stripe_sandbox.pages.forms import COUNTRIES, PaymentForm
from stripe_sandbox.pages.headers import RETURN_ADDRESSES
from stripe_sandbox.transaction import Document, Transaction, begin

ASSETS = {"pages.css": "text/css; charset=utf-8", "checkout.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"}
ASSET_SECONDS_MAX = 300
_STATIC = Path(__file__).parent / "static"
_INTENTS = ("payment_intent", "setup_intent")


@require_http_methods(["GET", "HEAD", "POST"])
def checkout(request: HttpRequest, session_id: str) -> HttpResponse:
    with begin(request.META[SANDBOX]) as tx:
        checkout_sessions.end_overdue(tx)
        session = _document(tx, session_id, kinds=("checkout.session",))
        if session["status"] == "expired":
            return _closed(request, session)
        if session["status"] == "complete":
            # A second click on Pay, or a reload after it: the first one counted.
            return _to_success(session) if request.method == "POST" else _closed(request, session)
        if request.method != "POST":
            return _form_page(request, tx, session, form=_form(session), message=session["_decline"])
        if "fill" in request.POST:
            return _form_page(request, tx, session, form=_form(session, {**request.POST.dict(), **_test_card(request.POST["fill"])}))
        form = _form(session, request.POST.dict())
        if not form.is_valid():
            return _form_page(request, tx, session, form=form, show_errors=True, status=422)
        return _submit(request, tx, session, form=form)


def _submit(request: HttpRequest, tx: Transaction, session: Document, *, form: PaymentForm) -> HttpResponse:
    if session["customer"] and customers.is_deleted(tx.get(session["customer"]) or {}):
        return _form_page(request, tx, session, form=form, message="Something went wrong. You were not charged.", status=402)
    data = form.cleaned_data
    billing = {"email": data["email"], "name": data["billingName"].strip(), "address": form.address}
    if form.pays_by_bank:
        method = payment_methods.new_bank_account(tx, number=data["accountNumber"].strip(), billing=billing)
    else:
        card = cards.by_number(data["cardNumber"])
        if card is None:
            return _form_page(request, tx, session, form=form, message=cards.NOT_A_TEST_CARD.message, status=402)
        method = payment_methods.new_card(
            tx,
            number=card.number,
            behaviour=card.behaviour,
            exp_month=data["exp_month"],
            exp_year=data["exp_year"],
            cvc_check="fail" if card.behaviour == "incorrect_cvc" else "pass",
            billing=billing,
        )
    payer = paying.Payer(
        email=data["email"], name=billing["name"], address=form.address, accepts_terms=bool(data.get("termsOfServiceConsent"))
    )
    paying.submit(tx, session, method=method, payer=payer)
    if session["status"] == "complete":
        return _to_success(session)
    intent = _intent(tx, session)
    if intent and intent["status"] == "requires_action":
        return HttpResponseRedirect(f"/authenticate/{intent['id']}?client_secret={intent['client_secret']}", status=303)
    return _form_page(request, tx, session, form=form, message=session["_decline"], status=402)


def _form(session: Document, data: Mapping[str, Any] | None = None) -> PaymentForm:
    given = dict(data) if data is not None else None
    email = (session["customer_details"] or {}).get("email")
    if given is not None and email and session["customer"]:
        # Stripe shows the customer's address, and does not let the payer change it.
        given["email"] = email
    needs_terms = (session["consent_collection"] or {}).get("terms_of_service") == "required"
    return PaymentForm(given, needs_terms=needs_terms, takes_debits="us_bank_account" in session["payment_method_types"])


def _test_card(number: str) -> dict[str, str]:
    card = cards.by_number(number)
    if card is None:
        return {}
    code = "1234" if card.brand == "amex" else "123"
    return {"paymentMethod": "card", "cardNumber": card.spaced, "cardExpiry": "12 / 34", "cardCvc": code}


def _form_page(
    request: HttpRequest,
    tx: Transaction,
    session: Document,
    *,
    form: PaymentForm,
    message: str = "",
    show_errors: bool = False,
    status: int = 200,
) -> HttpResponse:
    errors = {name: faults[0] for name, faults in form.errors.items()} if show_errors else {}
    context = {
        **_summary(tx, session),
        "values": form.data,
        "errors": errors,
        "message": message,
        "email": (session["customer_details"] or {}).get("email") or "",
        "email_is_fixed": bool(session["customer"] and (session["customer_details"] or {}).get("email")),
        "countries": COUNTRIES,
        "cards": [card for card in cards.CARDS if card.note],
        "bank_accounts": cards.BANK_ACCOUNTS,
        "routing_number": cards.TEST_ROUTING_NUMBER,
        "takes_debits": "us_bank_account" in session["payment_method_types"],
        "needs_terms": (session["consent_collection"] or {}).get("terms_of_service") == "required",
        "texts": session["custom_text"],
    }
    return _with_return_addresses(render(request, "checkout.html", context, status=status), session)


def _summary(tx: Transaction, session: Document) -> dict[str, Any]:
    """What stands beside the form, on every page of a session."""
    is_payment = session["mode"] == "payment"
    currency = session["currency"]
    return {
        "session": session,
        "merchant": session["_merchant"],
        "is_payment": is_payment,
        "is_saved": not is_payment or bool(session["_intent_data"].get("setup_future_usage")),
        "total": currencies.written(session["amount_total"], currency=currency) if is_payment else "",
        "currency": currency.upper(),
        "items": [
            {
                "name": item["description"],
                "details": item["_details"],
                "quantity": item["quantity"],
                "total": currencies.written(item["amount_total"], currency=currency),
            }
            for item in session["_line_items"]
        ],
    }


def _closed(request: HttpRequest, session: Document) -> HttpResponse:
    """Nothing can be paid here any more: it has been, or it is too late."""
    is_complete = session["status"] == "complete"
    context = {
        "merchant": session["_merchant"],
        "title": "Already completed" if is_complete else "This page has expired",
        "text": (
            "This payment has been received. You do not need to do anything more, and nothing will be charged again."
            if session["payment_status"] == "paid"
            else "Your details have been received. You do not need to do anything more."
            if is_complete
            else "Nothing has been charged. Go back and ask for a new link if you still want to pay."
        ),
        "tone": "good" if is_complete else "neutral",
        "back": _success_address(session) if is_complete else session["cancel_url"],
    }
    return render(request, "message.html", context, status=200 if is_complete else 410)


@require_http_methods(["GET", "HEAD", "POST"])
def authenticate(request: HttpRequest, intent_id: str) -> HttpResponse:
    """The bank's question. The client secret in the address is what lets the payer answer it."""
    with begin(request.META[SANDBOX]) as tx:
        intent = _document(tx, intent_id, kinds=_INTENTS)
        if not constant_time_compare(request.GET.get("client_secret", ""), intent["client_secret"]):
            raise Http404
        session = tx.get(intent["_session"]) if "_session" in intent else None
        if request.method == "POST":
            paying.authenticate(tx, intent, passed=request.POST.get("answer") == "complete")
            session = tx.get(intent["_session"]) if "_session" in intent else None
            return _after_authentication(request, intent, session=session)
        if intent["status"] != "requires_action":
            return _after_authentication(request, intent, session=session)
        is_payment = intent["object"] == "payment_intent"
        context = {
            "merchant": session["_merchant"] if session else tx.config.merchant,
            "amount": currencies.written(intent["amount"], currency=intent["currency"]) if is_payment else "",
            "card": tx.fetch("payment_method", object_id=intent["payment_method"])["card"],
        }
        return _with_return_addresses(render(request, "authenticate.html", context), session or {}, intent["_return_url"])


def _after_authentication(request: HttpRequest, intent: Document, *, session: Document | None) -> HttpResponse:
    if session is not None:
        return _to_success(session) if session["status"] == "complete" else HttpResponseRedirect(f"/c/pay/{session['id']}", status=303)
    is_done = intent["status"] in ("succeeded", "processing")
    if intent["_return_url"]:
        kind = intent["object"]
        told = {
            kind: intent["id"],
            f"{kind}_client_secret": intent["client_secret"],
            "redirect_status": "succeeded" if is_done else "failed",
        }
        parts = urlsplit(intent["_return_url"])
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *told.items()])
        return HttpResponseRedirect(urlunsplit(parts._replace(query=query)), status=303)
    context = {
        "merchant": request.META[SANDBOX].config.merchant,
        "title": "Authentication complete" if is_done else "Authentication failed",
        "text": "You can close this page.",
        "tone": "good" if is_done else "neutral",
        "back": None,
    }
    return render(request, "message.html", context)


@require_GET
def receipt(request: HttpRequest, charge_id: str) -> HttpResponse:
    with begin(request.META[SANDBOX]) as tx:
        charge = _document(tx, charge_id, kinds=("charge",))
        method = charge["payment_method_details"][charge["payment_method_details"]["type"]]
        context = {
            "merchant": tx.config.merchant,
            "charge": charge,
            "total": currencies.written(charge["amount"], currency=charge["currency"]),
            "refunded": currencies.written(charge["amount_refunded"], currency=charge["currency"]) if charge["amount_refunded"] else "",
            "paid_with": f"{method.get('brand') or method['bank_name']} •••• {method['last4']}".title(),
        }
    return render(request, "receipt.html", context)


@require_GET
def asset(request: HttpRequest, name: str) -> HttpResponse:
    if name not in ASSETS:
        raise Http404
    headers = {"Cache-Control": f"max-age={ASSET_SECONDS_MAX}"}
    return HttpResponse((_STATIC / name).read_bytes(), content_type=ASSETS[name], headers=headers)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    text = "The link may be incomplete, or it belongs to another sandbox."
    context = {"merchant": "", "title": "Nothing here", "text": text, "tone": "neutral", "back": None}
    return render(request, "message.html", context, status=404)


def _document(tx: Transaction, object_id: str, *, kinds: tuple[str, ...]) -> Document:
    document = tx.get(object_id)
    if document is None or document["object"] not in kinds:
        raise Http404
    return document


def _intent(tx: Transaction, session: Document) -> Document | None:
    intent_id = session["payment_intent"] or session["setup_intent"]
    return tx.get(intent_id) if intent_id else None


def _success_address(session: Document) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _to_success(session: Document) -> HttpResponse:
    return HttpResponseRedirect(_success_address(session), status=303)


def _with_return_addresses(response: HttpResponse, session: Document, *more: str | None) -> HttpResponse:
    addresses = [session.get("success_url"), session.get("cancel_url"), *more]
    setattr(response, RETURN_ADDRESSES, [address for address in addresses if address])
    return response
