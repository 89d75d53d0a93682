"""What people fill in on the billing pages. Checks what was typed and puts it into words; the services check again."""

import re
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError

from wallet.errors import AmountOutOfRange
from wallet.models import Card, Wallet
from wallet.money import MICROS, MoneyError, currency_of, format_money, parse_amount
from wallet.queries import kept_cards
from wallet.services.payment_links import check_top_up_amount

BY_LINK = "link"
_REQUEST_ID = re.compile(r"[0-9a-f]{32}")


def new_request_id() -> str:
    """An id for one form: whatever it is sent, twice or from two tabs, it is one payment."""
    return uuid4().hex


def is_request_id(text: str) -> bool:
    return _REQUEST_ID.fullmatch(text) is not None


class RequestField(forms.CharField):
    """The form's own id."""

    widget = forms.HiddenInput

    def validate(self, value: Any) -> None:
        super().validate(value)
        if not is_request_id(value):
            raise ValidationError("This form is out of date. Open it again.", code="request_id")


class AddBalanceForm(forms.Form):
    """How much, and how it is paid: a saved card's id, or BY_LINK."""

    request_id = RequestField()
    amount = forms.CharField(label="Amount", max_length=20)
    pay_with = forms.CharField(required=False, max_length=20)

    def __init__(self, *args: Any, wallet: Wallet, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wallet = wallet
        self.cards = kept_cards(wallet)

    def clean_amount(self) -> int:
        """The amount in micros."""
        try:
            amount_micros = parse_amount(self.cleaned_data["amount"], currency=self.wallet.currency)
            check_top_up_amount(amount_micros, currency=self.wallet.currency)
        except (MoneyError, AmountOutOfRange) as error:
            raise ValidationError(str(error), code="amount") from error
        return amount_micros

    def clean_pay_with(self) -> Card | None:
        """The card to charge; None for a payment link."""
        chosen = self.cleaned_data["pay_with"]
        if chosen in ("", BY_LINK):
            return None
        for card in self.cards:
            if str(card.pk) == chosen:
                return card
        raise ValidationError("That card is not here any more. Choose another way to pay.", code="card")

    @property
    def chosen(self) -> str:
        """What is ticked: what was sent, or else the default card."""
        sent = str(self["pay_with"].value() or "")
        first = next((str(card.pk) for card in self.cards), BY_LINK)
        return sent or first

    @property
    def limits(self) -> str:
        """The bounds in words, said before they are hit."""
        known = currency_of(self.wallet.currency)
        least, most = (format_money(bound, currency=known.code) for bound in (known.top_up_least_micros, known.top_up_most_micros))
        return f"From {least} to {most}"


class RecipientForm(forms.Form):
    """Whom to send a payment link."""

    recipient = forms.EmailField(
        label="E-mail address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off", "placeholder": "finance@example.com"})
    )


def slider_stops(currency: str) -> list[int]:
    """The amounts the slider stops at, in major units: fine steps where most people pay, coarse ones above."""
    known = currency_of(currency)
    least, most = known.top_up_least_micros // MICROS, known.top_up_most_micros // MICROS
    stops = [*range(least, 20 * least, least), *range(20 * least, 100 * least, 5 * least), *range(100 * least, most, 20 * least)]
    return [*stops, most]


def plain_amount(amount_micros: int, *, currency: str) -> str:
    """An amount as it would be typed: 20.50."""
    digits = currency_of(currency).minor_digits
    return f"{Decimal(amount_micros).scaleb(-6):.{digits}f}"
