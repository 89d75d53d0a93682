"""A decline in plain words, with what to do next. Nothing of the card, and nothing that helps a thief.

The codes are Stripe's (docs.stripe.com/declines/codes); lost and stolen cards are told no more than any other.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """What happened, and the next step."""

    what: str
    next_step: str


_OTHER_CARD = "Pay with another card, or ask your bank."
_DECLINED = Words("Your bank declined the card and gives no reason.", _OTHER_CARD)

_WORDS = {
    "authentication_required": Words(
        "Your bank wants to see that it is you.", "Pay on the secure payment page: there the bank can ask you to confirm."
    ),
    "card_gone": Words("The card can't be charged any more.", "Connect it again, or choose another card."),
    "card_removed": Words("The card was removed before it was charged.", "Choose another card."),
    "card_velocity_exceeded": Words("The card has reached its limit.", _OTHER_CARD),
    "currency_not_supported": Words("The card can't pay in this currency.", "Pay with another card."),
    "expired_card": Words("The card has expired.", "Connect your new card, or pay with another one."),
    "incorrect_cvc": Words("The card's security code was wrong.", "Try again on the secure payment page."),
    "insufficient_funds": Words("There is not enough money on the card.", "Choose a smaller amount, or pay with another card."),
    "issuer_not_available": Words("Your bank could not be reached.", "Try again in a few minutes, or pay with another card."),
    "processing_error": Words("Something went wrong between us and your bank.", "Try again in a few minutes."),
    "rejected": Words("The payment could not be made. We have been told.", "Try again later, or write to us."),
    "try_again_later": Words("Your bank could not decide just now.", "Try again in a few minutes, or pay with another card."),
    "withdrawal_count_limit_exceeded": Words("The card has reached its limit.", _OTHER_CARD),
}


def decline_words(code: str) -> Words:
    """Words for Stripe's decline code; those of a plain decline where it is not known or not to be told."""
    return _WORDS.get(code, _DECLINED)
