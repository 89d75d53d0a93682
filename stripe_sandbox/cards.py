"""Stripe's test cards and test bank accounts: what each is, and what it does when it is charged. Pure."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Decline:
    """Why a payment method said no, in Stripe's codes and in the payer's words."""

    code: str
    decline_code: str = ""
    advice_code: str = ""
    network_decline_code: str = ""
    message: str


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What happens when it is used. A new behaviour is a new row of BEHAVIOURS, by name, and can be put on a saved card."""

    decline: Decline | None = None
    # Accepted when saved, and only declined once money is asked for.
    declines_only_charges: bool = False
    needs_authentication: bool = False
    # The name of a dispute's reason; the charge is disputed shortly after it succeeded.
    disputed_as: str = ""
    is_inquiry: bool = False
    # "pending": the refund settles later. "fails": it succeeds first, and fails later.
    refund: str = ""


def _decline(decline_code: str, message: str, *, advice: str, code: str = "card_declined", network: str = "") -> Behaviour:
    sentence = message or "Your card was declined."
    return Behaviour(
        decline=Decline(code=code, decline_code=decline_code, advice_code=advice, network_decline_code=network, message=sentence)
    )


DEBIT_REFUSED = Decline(
    code="payment_intent_payment_attempt_failed",
    decline_code="insufficient_funds",
    message="The customer's account has insufficient funds to cover this payment.",
)
_AGAIN, _NEVER, _CHECK = "try_again_later", "do_not_try_again", "confirm_card_data"

BEHAVIOURS: dict[str, Behaviour] = {
    "succeeds": Behaviour(),
    "generic_decline": _decline("generic_decline", "", advice=_AGAIN, network="01"),
    "insufficient_funds": _decline("insufficient_funds", "Your card has insufficient funds.", advice=_AGAIN, network="51"),
    "lost_card": _decline("lost_card", "", advice=_NEVER, network="41"),
    "stolen_card": _decline("stolen_card", "", advice=_NEVER, network="43"),
    "pickup_card": _decline("pickup_card", "", advice=_NEVER, network="04"),
    "fraudulent": _decline("fraudulent", "", advice=_NEVER),
    "do_not_honor": _decline("do_not_honor", "", advice=_AGAIN, network="05"),
    "do_not_try_again": _decline("do_not_try_again", "", advice=_NEVER),
    "transaction_not_allowed": _decline("transaction_not_allowed", "", advice=_NEVER, network="57"),
    "card_velocity_exceeded": _decline(
        "card_velocity_exceeded", "Your card was declined for making repeated attempts too frequently.", advice=_AGAIN, network="65"
    ),
    "expired_card": _decline("", "Your card has expired.", advice=_CHECK, code="expired_card", network="54"),
    "incorrect_cvc": _decline("", "Your card's security code is incorrect.", advice=_CHECK, code="incorrect_cvc", network="N7"),
    "processing_error": _decline(
        "", "An error occurred while processing your card. Try again in a little bit.", advice=_AGAIN, code="processing_error"
    ),
    "declines_when_charged": replace(_decline("generic_decline", "", advice=_AGAIN, network="01"), declines_only_charges=True),
    "needs_authentication": Behaviour(needs_authentication=True),
    "disputed_fraudulent": Behaviour(disputed_as="fraudulent"),
    "disputed_not_received": Behaviour(disputed_as="product_not_received"),
    "disputed_inquiry": Behaviour(disputed_as="fraudulent", is_inquiry=True),
    "refund_pending": Behaviour(refund="pending"),
    "refund_fails": Behaviour(refund="fails"),
    "debit_succeeds": Behaviour(),
    "debit_insufficient_funds": Behaviour(decline=DEBIT_REFUSED, declines_only_charges=True),
    "debit_account_closed": Behaviour(
        decline=Decline(code="account_closed", decline_code="account_closed", message="The customer's bank account has been closed."),
        declines_only_charges=True,
    ),
}

AUTHENTICATION_REQUIRED = Decline(
    code="authentication_required",
    decline_code="authentication_required",
    message="Your card was declined. This transaction requires authentication.",
)
AUTHENTICATION_FAILED = Decline(
    code="payment_intent_authentication_failure",
    message=(
        "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod "
        "to attempt to fulfill this PaymentIntent again."
    ),
)
NOT_A_TEST_CARD = Decline(
    code="card_declined",
    decline_code="test_mode_live_card",
    message="Your card was declined. Your request was in test mode, but used a non test card.",
)


@dataclass(frozen=True, kw_only=True)
class Card:
    """One test card: its number, Stripe's own names for it (pm_card_…), and its behaviour."""

    number: str
    behaviour: str
    names: tuple[str, ...] = ()
    brand: str = "visa"
    funding: str = "credit"
    note: str = ""

    @property
    def spaced(self) -> str:
        """As it stands on the card."""
        groups = (4, 10) if self.brand == "amex" else (4, 8, 12)
        return " ".join(self.number[a:b] for a, b in zip((0, *groups), (*groups, len(self.number)), strict=True))


CARDS = (
    Card(number="4242424242424242", behaviour="succeeds", names=("pm_card_visa",), note="Succeeds"),
    Card(number="4000056655665556", behaviour="succeeds", names=("pm_card_visa_debit",), funding="debit"),
    Card(number="5555555555554444", behaviour="succeeds", names=("pm_card_mastercard",), brand="mastercard", note="Succeeds, Mastercard"),
    Card(number="378282246310005", behaviour="succeeds", names=("pm_card_amex",), brand="amex", note="Succeeds, American Express"),
    Card(
        number="4000002500003155",
        behaviour="needs_authentication",
        names=("pm_card_authenticationRequiredOnSetup",),
        note="Asks for authentication",
    ),
    Card(number="4000002760003184", behaviour="needs_authentication", names=("pm_card_authenticationRequired",)),
    Card(number="4000000000003220", behaviour="needs_authentication", names=("pm_card_threeDSecure2Required",)),
    Card(
        number="4000000000009995",
        behaviour="insufficient_funds",
        names=("pm_card_visa_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclinedInsufficientFunds"),
        note="Insufficient funds",
    ),
    Card(
        number="4000000000000002",
        behaviour="generic_decline",
        names=("pm_card_visa_chargeDeclined", "pm_card_chargeDeclined"),
        note="Declined",
    ),
    Card(
        number="4000000000000341",
        behaviour="declines_when_charged",
        names=("pm_card_chargeCustomerFail",),
        note="Can be saved, declines when charged",
    ),
    Card(
        number="4000000000009987",
        behaviour="lost_card",
        names=("pm_card_visa_chargeDeclinedLostCard", "pm_card_chargeDeclinedLostCard"),
        note="Lost card",
    ),
    Card(
        number="4000000000009979",
        behaviour="stolen_card",
        names=("pm_card_visa_chargeDeclinedStolenCard", "pm_card_chargeDeclinedStolenCard"),
        note="Stolen card",
    ),
    Card(
        number="4000000000000069",
        behaviour="expired_card",
        names=("pm_card_chargeDeclinedExpiredCard",),
        note="Expired card",
    ),
    Card(
        number="4000000000000127",
        behaviour="incorrect_cvc",
        names=("pm_card_chargeDeclinedIncorrectCvc",),
        note="Wrong security code",
    ),
    Card(
        number="4000000000000119",
        behaviour="processing_error",
        names=("pm_card_chargeDeclinedProcessingError",),
        note="Processing error",
    ),
    Card(number="4100000000000019", behaviour="fraudulent", names=("pm_card_radarBlock", "pm_card_chargeDeclinedFraudulent")),
    Card(
        number="4000000000006975",
        behaviour="card_velocity_exceeded",
        names=("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "pm_card_chargeDeclinedVelocityLimitExceeded"),
    ),
    Card(
        number="4000000000000259", behaviour="disputed_fraudulent", names=("pm_card_createDispute",), note="Succeeds, disputed afterwards"
    ),
    Card(number="4000000000002685", behaviour="disputed_not_received", names=("pm_card_createDisputeProductNotReceived",)),
    Card(number="4000000000001976", behaviour="disputed_inquiry", names=("pm_card_createDisputeInquiry",)),
    Card(number="4000000000007726", behaviour="refund_pending", names=("pm_card_pendingRefund",)),
    Card(number="4000000000005126", behaviour="refund_fails", names=("pm_card_refundFail",)),
)
_BY_NUMBER = {card.number: card for card in CARDS}
_BY_NAME = {name: card for card in CARDS for name in card.names}

# Account numbers of Stripe's test bank, behind routing number 110000000.
BANK_ACCOUNTS = {
    "000123456789": "debit_succeeds",
    "000111111116": "debit_account_closed",
    "000222222227": "debit_insufficient_funds",
}
TEST_ROUTING_NUMBER = "110000000"


def by_number(number: str) -> Card | None:
    return _BY_NUMBER.get(number)


def by_name(name: str) -> Card | None:
    return _BY_NAME.get(name)


def brand_of(number: str) -> str:
    """The network a number belongs to, by its first digits; 'unknown' where it is none that the sandbox knows."""
    if number.startswith("4"):
        return "visa"
    if number[:2] in {"51", "52", "53", "54", "55"} or "2221" <= number[:4] <= "2720":
        return "mastercard"
    return "amex" if number[:2] in {"34", "37"} else "unknown"


def passes_luhn(number: str) -> bool:
    """The check digit that every card number carries."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = (sum(divmod(digit * 2, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
