"""The rule of automatic payments as it is filled in, and what saving it would mean. Checks what was typed; the services check again."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from billing.automatic_mode import Said
from billing.automatic_state import obstacle_to
from billing.automatic_words import consent_sentence
from billing.forms import plain_amount
from billing.proposals import propose_terms
from wallet.automatic_rule import DAILY_CHARGES_MOST, Cap, Terms, check_terms
from wallet.errors import RuleInvalid
from wallet.models import AutomaticPayments, Card, Wallet
from wallet.money import MoneyError, currency_of, format_money, parse_amount, symbol
from wallet.queries import kept_cards
from wallet.services.automatic_payments import charge_on_saving, stands_already

AMOUNT, TARGET = "amount", "target"
CONSENT_MAX = 1_000


class AmountField(forms.CharField):
    """An amount as it is typed; `clean` of the form makes micros of it."""

    def __init__(self, *, label: str, required: bool = True) -> None:
        super().__init__(label=label, max_length=20, required=required)


class AutomaticPaymentsForm(forms.Form):
    """Below `threshold` charge `amount`, or bring the balance back to `target`; never more than `monthly_cap` in a month.

    `consent` is the sentence that stood beside the button, `announced` the charge, in micros, that saving was said to
    make, and `standing` names the rule that the form was shown for.
    """

    card = forms.CharField(label="Card", max_length=20)
    threshold = AmountField(label="When available drops below")
    how = forms.ChoiceField(label="Then", choices=[(AMOUNT, "Charge"), (TARGET, "Bring the balance back to")])
    amount = AmountField(label="Charge", required=False)
    target = AmountField(label="Bring the balance back to", required=False)
    monthly_cap = AmountField(label="At most in a month")
    daily_charges = forms.IntegerField(label="Charges a day", min_value=1, max_value=DAILY_CHARGES_MOST)
    consent = forms.CharField(required=False, max_length=CONSENT_MAX)
    announced = forms.IntegerField(required=False)
    standing = forms.CharField(required=False, max_length=20)

    def __init__(self, *args: Any, wallet: Wallet, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wallet = wallet
        self.known = currency_of(wallet.currency)
        self.cards = list(kept_cards(wallet))

    # ---------------------------------------------------------------- what it shows
    @property
    def sign(self) -> str:
        return symbol(self.known.code).strip()

    @property
    def daily_choices(self) -> list[int]:
        return list(range(1, DAILY_CHARGES_MOST + 1))

    @property
    def chosen_card(self) -> str:
        """What is ticked: what was sent."""
        return str(self["card"].value() or "")

    @property
    def limits(self) -> str:
        """The bounds of a charge in words, said before they are hit."""
        least, most = (
            format_money(bound, currency=self.known.code) for bound in (self.known.top_up_least_micros, self.known.top_up_most_micros)
        )
        return f"{least} to {most}"

    # ---------------------------------------------------------------- what was filled in
    def clean_card(self) -> Card:
        """The card to charge: one of this wallet's, whatever was sent."""
        for card in self.cards:
            if str(card.pk) == self.cleaned_data["card"]:
                return card
        raise ValidationError("That card is not here any more. Choose another one.", code="card")

    def clean_threshold(self) -> int:
        return self._micros("threshold")

    def clean_monthly_cap(self) -> int:
        return self._micros("monthly_cap")

    def clean_amount(self) -> int | None:
        return self._chosen_micros(AMOUNT)

    def clean_target(self) -> int | None:
        return self._chosen_micros(TARGET)

    def clean(self) -> dict[str, Any]:
        """The terms as a whole, once every part of them is an amount."""
        if not self.errors:
            try:
                check_terms(self.terms, currency=self.wallet.currency)
            except RuleInvalid as error:
                self.add_error(error.field, str(error))
        return self.cleaned_data

    @property
    def terms(self) -> Terms:
        """Only of a form that is valid."""
        filled = self.cleaned_data
        return Terms(
            threshold_micros=filled["threshold"],
            amount_micros=filled["amount"],
            target_micros=filled["target"],
            monthly_cap_micros=filled["monthly_cap"],
            daily_charges_max=filled["daily_charges"],
        )

    def _micros(self, name: str) -> int:
        try:
            return parse_amount(self.cleaned_data[name], currency=self.wallet.currency)
        except MoneyError as error:
            raise ValidationError(str(error), code="amount") from error

    def _chosen_micros(self, name: str) -> int | None:
        """None for the one of the two that was not chosen, whatever stands in it."""
        return self._micros(name) if self.cleaned_data.get("how") == name else None


def form_to_start_with(wallet: Wallet, rule: AutomaticPayments | None, *, burn_micros: int | None, card_id: str) -> AutomaticPaymentsForm:
    """Filled in with the rule as it stands, or with a proposal, and checked as if it had been typed."""
    form = AutomaticPaymentsForm(wallet=wallet)
    known = {str(card.pk) for card in form.cards}
    first = next((str(card.pk) for card in form.cards), "")
    filled = {**_filled_in(rule, burn_micros=burn_micros, currency=wallet.currency), "card": card_id if card_id in known else first}
    return AutomaticPaymentsForm(filled, wallet=wallet)


def _filled_in(rule: AutomaticPayments | None, *, burn_micros: int | None, currency: str) -> dict[str, str]:
    """The way that is not chosen shows a proposal too."""
    proposed = propose_terms(burn_micros, currency=currency)
    terms = rule.terms if rule is not None else proposed
    amount_micros = terms.amount_micros or proposed.amount_micros
    assert amount_micros is not None, "Proposals name an amount."
    target_micros = terms.target_micros or terms.threshold_micros + amount_micros
    micros = {
        "threshold": terms.threshold_micros,
        "amount": amount_micros,
        "target": target_micros,
        "monthly_cap": terms.monthly_cap_micros,
    }
    return {
        "how": AMOUNT if terms.amount_micros is not None else TARGET,
        "daily_charges": str(terms.daily_charges_max),
        **{name: _as_typed(amount, currency=currency) for name, amount in micros.items()},
    }


def _as_typed(amount_micros: int, *, currency: str) -> str:
    """Without empty decimals."""
    whole, _, decimals = plain_amount(amount_micros, currency=currency).partition(".")
    return f"{whole}.{decimals}" if decimals.strip("0") else whole


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What saving these terms means: the sentence, and what is charged at once (micros, the cap that forbids it, or None).

    With an `obstacle` nothing is charged before it is out of the way.
    """

    terms: Terms
    card: Card
    sentence: str
    charge: int | Cap | None
    obstacle: Said | None = None
    changes_nothing: bool = False

    @property
    def charge_micros(self) -> int | None:
        return None if isinstance(self.charge, Cap) or self.obstacle or self.changes_nothing else self.charge

    @property
    def is_capped(self) -> bool:
        return isinstance(self.charge, Cap)

    def was_shown(self, *, consent: str, announced: int | None) -> bool:
        """Whether the form carries this very sentence, and a charge of now was said to come.

        What is missing to a target changes with each use: there the charge need only have been announced.
        """
        if consent != self.sentence:
            return False
        if self.charge_micros is None:
            return True
        return announced is not None and (self.terms.target_micros is not None or self.charge_micros <= announced)


def agreement_on(form: AutomaticPaymentsForm, rule: AutomaticPayments | None) -> Agreement:
    """What saving this form, which is valid, would mean now."""
    terms, card = form.terms, form.cleaned_data["card"]
    sentence = consent_sentence(terms, card_label=card.label, currency=form.wallet.currency)
    charge = charge_on_saving(form.wallet, terms=terms)
    return Agreement(
        terms=terms,
        card=card,
        sentence=sentence,
        charge=charge,
        obstacle=obstacle_to(form.wallet) if charge else None,
        changes_nothing=rule is not None and stands_already(rule, terms=terms, card=card, consent_text=sentence),
    )
