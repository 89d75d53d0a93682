"""What a payer types, checked before any bank is asked: card number, expiry, code; or a test bank account."""

import re
from datetime import UTC, datetime
from typing import Any

from django import forms

from stripe_sandbox import cards

COUNTRIES = (
    ("US", "United States"),
    ("AU", "Australia"),
    ("AT", "Austria"),
    ("BE", "Belgium"),
    ("BR", "Brazil"),
    ("CA", "Canada"),
    ("DK", "Denmark"),
    ("FR", "France"),
    ("DE", "Germany"),
    ("IN", "India"),
    ("IE", "Ireland"),
    ("IT", "Italy"),
    ("JP", "Japan"),
    ("MX", "Mexico"),
    ("NL", "Netherlands"),
    ("ES", "Spain"),
    ("SE", "Sweden"),
    ("CH", "Switzerland"),
    ("GB", "United Kingdom"),
)
CARD_DIGITS_MIN, CARD_DIGITS_MAX = 12, 19
CARD_DIGITS_MIN_OF = {"visa": 16, "mastercard": 16, "amex": 15}
EXPIRY_YEARS_MAX = 50
_CARD, _BANK = "card", "us_bank_account"


class PaymentForm(forms.Form):
    """Names as on Stripe's own page, so that a browser test written for one finds its way about the other."""

    email = forms.EmailField(error_messages={"required": "Enter your email.", "invalid": "Your email is invalid."})
    paymentMethod = forms.ChoiceField(choices=((_CARD, "Card"), (_BANK, "US bank account")), required=False)
    cardNumber = forms.CharField(required=False, max_length=40)
    cardExpiry = forms.CharField(required=False, max_length=10)
    cardCvc = forms.CharField(required=False, max_length=4)
    billingName = forms.CharField(required=False, max_length=200)
    billingCountry = forms.ChoiceField(choices=COUNTRIES, required=False)
    billingPostalCode = forms.CharField(required=False, max_length=16)
    accountNumber = forms.CharField(required=False, max_length=17)
    routingNumber = forms.CharField(required=False, max_length=9)
    termsOfServiceConsent = forms.BooleanField(required=False)

    def __init__(self, *arguments: Any, needs_terms: bool = False, takes_debits: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._needs_terms = needs_terms
        self._takes_debits = takes_debits

    @property
    def pays_by_bank(self) -> bool:
        return self._takes_debits and self.cleaned_data.get("paymentMethod") == _BANK

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if not data.get("billingName", "").strip():
            self.add_error("billingName", "Enter the name on the account." if self.pays_by_bank else "Enter the name on the card.")
        if self.pays_by_bank:
            self._clean_account(data)
        else:
            self._clean_card(data)
        if self._needs_terms and not data.get("termsOfServiceConsent"):
            self.add_error("termsOfServiceConsent", "You must accept the terms to continue.")
        return data

    def _clean_card(self, data: dict[str, Any]) -> None:
        number = data["cardNumber"] = re.sub(r"[\s-]", "", data.get("cardNumber", ""))
        least = CARD_DIGITS_MIN_OF.get(cards.brand_of(number), CARD_DIGITS_MIN)
        if not re.fullmatch(rf"[0-9]{{{least},{CARD_DIGITS_MAX}}}", number):
            self.add_error("cardNumber", "Your card number is incomplete.")
        elif not cards.passes_luhn(number):
            self.add_error("cardNumber", "Your card number is invalid.")
        self._clean_expiry(data)
        digits = 4 if cards.brand_of(number) == "amex" else 3
        if not re.fullmatch(rf"[0-9]{{{digits}}}", data.get("cardCvc", "")):
            self.add_error("cardCvc", "Your card's security code is incomplete.")

    def _clean_expiry(self, data: dict[str, Any]) -> None:
        match = re.fullmatch(r"\s*(0?[1-9]|1[0-2])\s*/?\s*(?:20)?([0-9]{2})\s*", data.get("cardExpiry", ""))
        if match is None:
            self.add_error("cardExpiry", "Your card's expiration date is incomplete.")
            return
        month, year = int(match[1]), 2000 + int(match[2])
        now = datetime.now(UTC)
        if (year, month) < (now.year, now.month):
            self.add_error("cardExpiry", "Your card's expiration date is in the past.")
        elif year > now.year + EXPIRY_YEARS_MAX:
            self.add_error("cardExpiry", "Your card's expiration year is invalid.")
        data.update(exp_month=month, exp_year=year)

    def _clean_account(self, data: dict[str, Any]) -> None:
        if data.get("routingNumber", "").strip() != cards.TEST_ROUTING_NUMBER:
            self.add_error("routingNumber", f"Use the test bank's routing number, {cards.TEST_ROUTING_NUMBER}.")
        if data.get("accountNumber", "").strip() not in cards.BANK_ACCOUNTS:
            self.add_error("accountNumber", f"Use a test account number, such as {next(iter(cards.BANK_ACCOUNTS))}.")

    @property
    def address(self) -> dict[str, str | None]:
        """Stripe's billing address, as much of it as the page asks for."""
        blank: dict[str, str | None] = dict.fromkeys(("city", "line1", "line2", "state"))
        postal_code = self.cleaned_data.get("billingPostalCode") or None
        return {**blank, "country": self.cleaned_data.get("billingCountry") or "US", "postal_code": postal_code}
