"""What a decline means for automatic payments: try again later, never again with this card, or ask the cardholder. Pure.

Sources: docs.stripe.com/declines/codes, docs.stripe.com/declines/network-codes; Visa's category 1 of declines and
Mastercard's merchant advice codes 03 and 21 forbid any further try.
"""

from enum import StrEnum

from wallet.errors import Decline

DO_NOT_TRY_AGAIN = "do_not_try_again"
NEVER_AGAIN_NETWORK_ADVICE = frozenset({"03", "21"})
"""Mastercard's merchant advice: do not try again, and: stop, the cardholder has withdrawn."""


class DeclineClass(StrEnum):
    """How an automatic payment goes on after a decline."""

    SOFT = "soft"
    HARD = "hard"
    AUTHENTICATION = "authentication"
    NOT_THE_CARD = "not_the_card"


_HARD_CODES = frozenset(
    {
        "card_gone",
        "card_not_supported",
        "currency_not_supported",
        "do_not_try_again",
        "expired_card",
        "fraudulent",
        "highest_risk_level",
        "incorrect_number",
        "invalid_account",
        "invalid_number",
        "lost_card",
        "merchant_blacklist",
        "new_account_information_available",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "security_violation",
        "stolen_card",
        "stop_payment_order",
        "transaction_not_allowed",
    }
)
NOT_THE_CARD_CODES = frozenset({"card_removed", "closed_by_operator", "processing_error", "rejected"})
"""What went wrong before any bank was asked."""
_NEVER_AGAIN_NETWORK_CODES = frozenset({"04", "07", "12", "14", "15", "41", "43", "46", "57", "R0", "R1", "R3"})
_AUTHENTICATION_CODES = frozenset({"authentication_required", "authentication_not_handled"})
NO_DECLINE_CODES = NOT_THE_CARD_CODES | _AUTHENTICATION_CODES
"""Failures in which no bank has said no to the card."""


def classify(decline: Decline) -> DeclineClass:
    """What the decline means. Advice of the network or of Stripe to stop outweighs a code that would allow another try."""
    if decline.reason in _AUTHENTICATION_CODES:
        return DeclineClass.AUTHENTICATION
    if decline.reason in NOT_THE_CARD_CODES:
        return DeclineClass.NOT_THE_CARD
    never_again = decline.advice_code == DO_NOT_TRY_AGAIN or decline.network_decline_code in _NEVER_AGAIN_NETWORK_CODES
    return DeclineClass.HARD if never_again or decline.reason in _HARD_CODES else DeclineClass.SOFT
