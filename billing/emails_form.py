"""What an owner or admin chooses about e-mails: which kinds they get, and below which balance they are told."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from billing.forms import plain_amount
from wallet.models import CHOSEN_KINDS, Notice, Wallet
from wallet.money import MoneyError, currency_of, format_money, parse_amount, symbol
from wallet.standing import low_level_micros

Kind = Notice.Kind

_WORDS = {
    Kind.LOW_BALANCE: "Once a day at most, and not while your card is being charged.",
    Kind.BALANCE_USED_UP: "Outbound calls have stopped, and until when inbound calls go on.",
    Kind.CALLS_PAUSED: "The time for inbound calls is over as well.",
    Kind.CAP_REACHED: "No more is charged this month, or today, whatever the balance.",
    Kind.CARD_EXPIRING: "30 days before the end of its last month.",
    Kind.CARD_EXPIRED: "The card can’t be charged any more.",
    Kind.CARD_RENEWED: "Nothing to do: the new number is known already.",
    Kind.USAGE_SPIKE: "A day costs more than three times what is usual.",
    Kind.WEBHOOK_OFF: "An endpoint took nothing for days, or said that it is gone.",
}
"""What each is told for, in the order of the page."""


class NoticesForm(forms.Form):
    """A box for each kind that may be switched off."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for kind, words in _WORDS.items():
            assert kind in CHOSEN_KINDS, "What is always told has no box."
            self.fields[kind.value] = forms.BooleanField(label=kind.label, help_text=words, required=False)

    @property
    def wanted(self) -> set[Notice.Kind]:
        """What was ticked."""
        return {kind for kind in _WORDS if self.cleaned_data[kind.value]}


class LowBalanceForm(forms.Form):
    """Below how much the balance is low; empty for the usual."""

    level = forms.CharField(label="Balance is low below", max_length=20, required=False)

    def __init__(self, *args: Any, wallet: Wallet, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known = currency_of(wallet.currency)
        usual = format_money(self.known.top_up_least_micros, currency=wallet.currency)
        self.fields["level"].help_text = f"Left empty, it is {usual}. The status bar, the e-mail and the webhook go by it."

    @property
    def sign(self) -> str:
        return symbol(self.known.code).strip()

    def clean_level(self) -> int | None:
        """In micros; None where it was left empty."""
        typed = self.cleaned_data["level"].strip()
        if not typed:
            return None
        try:
            level_micros = parse_amount(typed, currency=self.known.code)
        except MoneyError as error:
            raise ValidationError(str(error), code="amount") from error
        if not 0 < level_micros <= self.known.top_up_most_micros:
            most = format_money(self.known.top_up_most_micros, currency=self.known.code)
            raise ValidationError(f"Choose an amount above zero, up to {most}.", code="amount")
        return level_micros


def level_as_typed(wallet: Wallet) -> str:
    """The level that was chosen, as it would be typed; empty where none was."""
    return "" if wallet.low_balance_micros is None else plain_amount(low_level_micros(wallet), currency=wallet.currency)
