"""What finance fills in. Checks what was typed and puts it into words; the services check again."""

import re
from datetime import datetime, time, timedelta
from typing import Any
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError

from wallet.models import REASON_CHARACTERS_MAX, WORDS_CHARACTERS_MAX, Wallet
from wallet.money import MoneyError, parse_amount, parse_exact
from wallet.services.adjustments import DEFAULT_WORDS
from wallet.services.promotion_grants import DEFAULT_WORDS as PROMOTION_WORDS

_FORM_ID = re.compile(r"[0-9a-f]{32}")
_AMOUNT_WIDGET = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})


def new_form_id() -> str:
    """An id for one form: however often it is sent, it is one act."""
    return uuid4().hex


class FormIdField(forms.CharField):
    """The form's own id."""

    widget = forms.HiddenInput

    def validate(self, value: Any) -> None:
        super().validate(value)
        if not _FORM_ID.fullmatch(value):
            raise ValidationError("This form is out of date. Open it again.", code="form_id")


class ReasonField(forms.CharField):
    """Why, for the operator's own people."""

    def __init__(self, **options: Any) -> None:
        given: dict[str, Any] = {
            "label": "Reason",
            "max_length": REASON_CHARACTERS_MAX,
            "widget": forms.Textarea(attrs={"rows": 3}),
            "help_text": "For the operator’s people: kept in the audit log, not shown to the customer.",
        }
        super().__init__(**given | options)


class WordsField(forms.CharField):
    """What the customer reads. One line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            label="Words for the customer", max_length=WORDS_CHARACTERS_MAX, help_text="Stands in their transaction history.", **options
        )

    def to_python(self, value: Any) -> str:
        return " ".join(str(super().to_python(value)).split())


class AmountField(forms.CharField):
    """An amount in the wallet's currency; the form turns it into micros."""

    def __init__(self, **options: Any) -> None:
        super().__init__(label="Amount", max_length=24, widget=_AMOUNT_WIDGET, **options)


class ActForm(forms.Form):
    """What every act asks for: its own id, and why."""

    form_id = FormIdField()
    reason = ReasonField()

    def __init__(self, *args: Any, wallet: Wallet, **kwargs: Any) -> None:
        kwargs["initial"] = {"form_id": new_form_id(), **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)
        self.wallet = wallet
        if "amount" in self.fields:
            self.fields["amount"].label = f"Amount in {wallet.currency.upper()}"


class AdjustForm(ActForm):
    """A correction of the balance. In and out are chosen, not written as a sign: a sign is overlooked."""

    direction = forms.ChoiceField(
        label="What it does",
        choices=[("in", "Puts money into the wallet"), ("out", "Takes money out of it")],
        widget=forms.RadioSelect,
        help_text="What is put in counts as paid: it can be refunded to the customer's card. Goodwill is a promotion.",
    )
    amount = AmountField(help_text="To the micro: 0.075 is an amount.")
    may_go_below_zero = forms.BooleanField(label="The wallet may go below zero", required=False)
    words = WordsField(initial=DEFAULT_WORDS)
    field_order = ("direction", "amount", "may_go_below_zero", "words", "reason")

    def clean(self) -> dict[str, Any]:
        """Adds `amount_micros`, with its sign."""
        cleaned = super().clean() or {}
        if "amount" in cleaned and "direction" in cleaned:
            cleaned["amount_micros"] = cleaned["amount"] if cleaned["direction"] == "in" else -cleaned["amount"]
        return cleaned

    def clean_amount(self) -> int:
        """In micros."""
        return _micros(parse_exact, self.cleaned_data["amount"])


class PromotionForm(ActForm):
    """Credit to give."""

    amount = AmountField()
    expires_on = forms.DateField(
        label="Last day",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="What is left of it lapses at the end of that day, in the workspace's time zone. Empty: never.",
    )
    words = WordsField(initial=PROMOTION_WORDS)
    field_order = ("amount", "expires_on", "words", "reason")

    def clean_amount(self) -> int:
        """In micros."""
        return _micros(lambda text: parse_amount(text, currency=self.wallet.currency), self.cleaned_data["amount"])

    @property
    def expires_at(self) -> datetime | None:
        """The moment at which the chosen day is over."""
        day = self.cleaned_data["expires_on"]
        return datetime.combine(day + timedelta(days=1), time(), tzinfo=self.wallet.workspace.zone) if day else None


class RefundForm(ActForm):
    """How much of a top-up goes back."""

    amount = AmountField()
    override_reason = ReasonField(
        label="More than the unspent part, because",
        required=False,
        help_text="Only where more than the unspent part goes back; the wallet may go below zero.",
    )
    field_order = ("amount", "reason", "override_reason")

    def clean_amount(self) -> int:
        """In micros."""
        return _micros(lambda text: parse_amount(text, currency=self.wallet.currency), self.cleaned_data["amount"])


class ResendForm(forms.Form):
    """Whom a payment link is mailed to."""

    form_id = FormIdField()
    recipient = forms.EmailField(label="E-mail address", max_length=254)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["initial"] = {"form_id": new_form_id(), **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)


class DecisionForm(forms.Form):
    """What is decided about a proposal, by which button was pressed; a no says why."""

    decision = forms.ChoiceField(choices=[(word, word) for word in ("approve", "reject", "withdraw", "give_up")], widget=forms.HiddenInput)
    reason = ReasonField(required=False, help_text="Needed to reject. Not shown to the customer.")

    def clean(self) -> dict[str, Any]:
        """A no without a reason helps nobody."""
        cleaned = super().clean() or {}
        if cleaned.get("decision") == "reject" and not cleaned.get("reason"):
            self.add_error("reason", "Say why you reject it.")
        return cleaned


class EndFreezeForm(forms.Form):
    """Why the wallet is opened again, and which freeze is meant."""

    freeze = forms.UUIDField(widget=forms.HiddenInput)
    reason = ReasonField()


def _micros(parse: Any, text: str) -> int:
    try:
        micros: int = parse(text)
    except MoneyError as error:
        raise ValidationError(str(error), code="amount") from error
    return micros
