"""Automatic payments in plain words: what the owner agrees to, why nothing is charged, what comes next. Decides nothing."""

from django.conf import settings

from wallet.automatic_rule import Cap, Terms
from wallet.decline_words import decline_words
from wallet.declines import DeclineClass, classify
from wallet.errors import Decline
from wallet.models import AutomaticPayments, TopUp
from wallet.money import format_money

Suspension = AutomaticPayments.Suspension

NOTHING_GOES_ON = "Nothing is charged until you try again or use another card."


def consent_sentence(terms: Terms, *, card_label: str, currency: str) -> str:
    """What the owner agrees to by saving: shown beside the button, and kept word for word."""

    def money(micros: int) -> str:
        return format_money(micros, currency=currency)

    threshold, cap, often = money(terms.threshold_micros), money(terms.monthly_cap_micros), times(terms.daily_charges_max)
    if terms.amount_micros is not None:
        amount = money(terms.amount_micros)
        how_much = f"with {amount}, or as many times {amount} as it takes to get back to {threshold},"
    else:
        assert terms.target_micros is not None, "Terms have an amount or a target."
        how_much = f"with what is missing to {money(terms.target_micros)}"
    return (
        f"By saving I allow {settings.OPERATOR_NAME} to charge {card_label} {how_much} whenever less than {threshold} is available, "
        f"at once if it is so now: at most {cap} in a calendar month and {often} a day. "
        "If this card is declined, my backup card may be charged in its place. This holds until I switch automatic payments off."
    )


def times(count: int) -> str:
    """How often."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def failure_title(failed: TopUp) -> str:
    """What failed, in a few words."""
    if is_not_the_card(failed) or failed.card is None:
        return "The last automatic payment could not be made"
    return "Both cards were declined" if failed.instead_of_id else f"{failed.card.label} was declined"


def failure_words(failed: TopUp) -> str:
    """Why it failed, in a sentence."""
    return decline_words(failed.decline_code).what


def is_not_the_card(failed: TopUp) -> bool:
    """Whether it failed before any bank was asked."""
    return classify(Decline(code=failed.decline_code, advice_code=failed.advice_code)) is DeclineClass.NOT_THE_CARD


def suspension_words(reason: str, *, failed: TopUp | None) -> tuple[str, str]:
    """Title and text of a suspension; `failed` is the last automatic payment that failed."""
    if reason == Suspension.NO_CARD:
        return "There is no card to charge", "Connect one, and automatic payments go on."
    if reason == Suspension.NOT_CONFIRMED:
        return "The payment was not confirmed in time", f"Your bank had asked whether it is really you. {NOTHING_GOES_ON}"
    if reason == Suspension.DISPUTED:
        return "A disputed payment was taken back", f"The bank's decision is final. {NOTHING_GOES_ON}"
    if failed is None:
        return "The card was declined", NOTHING_GOES_ON
    often = " It was tried three times." if reason == Suspension.DECLINED else ""
    return failure_title(failed), f"{failure_words(failed)}{often} {NOTHING_GOES_ON}"


def cap_words(cap: Cap, *, terms: Terms, currency: str) -> tuple[str, str]:
    """Title and text where one of the owner's caps forbids the next charge."""
    if cap is Cap.DAILY:
        return "No more charges today", f"You allow {times(terms.daily_charges_max)} a day."
    monthly = format_money(terms.monthly_cap_micros, currency=currency)
    return "The monthly cap is reached", f"What is left of {monthly} is too little for another charge."
