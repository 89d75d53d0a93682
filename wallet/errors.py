"""Everything that can go wrong with money, one class each.

WalletError
├── WalletRefusal                 an expected no: the caller did nothing wrong that a retry would mend
│   ├── WalletClosed
│   ├── WalletFrozen              new holds are refused
│   ├── InsufficientFunds         less is available than the hold needs
│   ├── HoldExpired               too late to extend or capture
│   ├── AmountOutOfRange
│   ├── CardUnusable              removed, expired or another wallet's
│   ├── CardInUse                 removal refused while something needs the card
│   ├── LinkUnusable              expired, withdrawn or used
│   │   └── LinkCovered           not now: the saved card is being charged for the same
│   ├── TooManyAttempts
│   ├── RuleInvalid             a rule of automatic payments that cannot be
│   ├── CurrencyFixed             a wallet's currency never changes
│   ├── TargetRefused             no webhook is sent to such an address
│   ├── TooManyEndpoints          as many webhook endpoints as one workspace may have
│   ├── EndpointDisabled          nothing is sent to an endpoint that is switched off
│   ├── RefundTooLarge
│   ├── PaymentDisputed           a refund beside a dispute would give the money back twice
│   ├── BelowZero                 an adjustment takes more than is available, and nobody said that it may
│   ├── SecondPersonNeeded        nobody approves what they asked for
│   └── ActRefused                the operator's act makes no sense as things stand
├── IdempotencyConflict           a key seen before, with other content
├── AlreadyResolved               a hold or top-up that has its final state
├── NothingToTell                 what an e-mail was to tell is over
├── TargetSilent                  a webhook's target gave no answer
├── SecretLost                    the key that a webhook secret was sealed under is gone
├── PaymentMismatch               Stripe's money is not what our row asked for: a person must look
├── UnknownPayment                Stripe speaks of a payment we have no row for
└── GatewayError                  from stripe_gateway alone
    ├── CardDeclined              final for this attempt
    ├── GatewayUnavailable        Stripe did not act: send the same again, later
    ├── OutcomeUnknown            Stripe may have acted: ask, never guess
    └── GatewayRejected           our bug, or a wrong key: retrying the same cannot help

`code` is stable and goes to API clients and logs; `str(error)` is a sentence for the person.
"""

from dataclasses import dataclass


class WalletError(Exception):
    """Base of all errors about money."""

    code = "wallet_error"


class WalletRefusal(WalletError):
    """An expected refusal; answered with 4xx and never logged as a fault."""

    code = "refused"


class WalletClosed(WalletRefusal):
    """The workspace was closed; no money moves any more."""

    code = "wallet_closed"


class WalletFrozen(WalletRefusal):
    """The operator froze the wallet: nothing new starts, what runs may finish."""

    code = "wallet_frozen"


class InsufficientFunds(WalletRefusal):
    """Less is available than what would be set aside. Nothing was changed, and no key was used up."""

    code = "insufficient_funds"

    def __init__(self, *, needed_micros: int, available_micros: int) -> None:
        super().__init__("The wallet has too little available for this.")
        self.needed_micros = needed_micros
        self.available_micros = available_micros


class HoldExpired(WalletRefusal):
    """The hold's time is over: its money was given back, or will be at the next sweep."""

    code = "hold_expired"


class AmountOutOfRange(WalletRefusal):
    """Below the least or above the most that one top-up may be."""

    code = "amount_out_of_range"


class CardUnusable(WalletRefusal):
    """The card was removed, has expired, or belongs to another wallet."""

    code = "card_unusable"


class CardInUse(WalletRefusal):
    """The card cannot be removed while automatic payments or an open top-up need it."""

    code = "card_in_use"


class LinkUnusable(WalletRefusal):
    """The payment link is expired, withdrawn, used or not there; the public page answers 404 for all of these alike."""

    code = "link_unusable"


class LinkCovered(LinkUnusable):
    """The saved card is being charged for the same need: nobody need pay meanwhile. It may be open again in a moment."""

    code = "link_covered"


class NothingToTell(WalletError):
    """What an e-mail was to tell is over: it is dropped, and that is no fault."""

    code = "nothing_to_tell"


class TooManyAttempts(WalletRefusal):
    """A limit against card testing was reached."""

    code = "too_many_attempts"


class RuleInvalid(WalletRefusal):
    """A field of the rule of automatic payments is out of its bounds; the message says what would do."""

    code = "rule_invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class CurrencyFixed(WalletRefusal):
    """The workspace has a wallet in another currency already."""

    code = "currency_fixed"

    def __init__(self, *, currency: str) -> None:
        super().__init__(f"The workspace's wallet is in {currency}, and a wallet's currency never changes.")
        self.currency = currency


class TargetRefused(WalletRefusal):
    """The address is of a form, a port or a network that no webhook is sent to."""

    code = "target_refused"


class TooManyEndpoints(WalletRefusal):
    """Endpoints that nobody counts are requests that nobody asked for."""

    code = "too_many_endpoints"

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"There are {limit} endpoints, which is the most there can be. Remove one first.")


class EndpointDisabled(WalletRefusal):
    """The endpoint is switched off or removed."""

    code = "endpoint_disabled"

    def __init__(self) -> None:
        super().__init__("This endpoint is switched off, so nothing is sent to it. Switch it on first.")


class RefundTooLarge(WalletRefusal):
    """More than the unspent, unrefunded part of the top-up."""

    code = "refund_too_large"


class PaymentDisputed(WalletRefusal):
    """Its payer's bank is asking for the money already."""

    code = "payment_disputed"


class BelowZero(WalletRefusal):
    """The adjustment would leave less than nothing available."""

    code = "below_zero"

    def __init__(self, *, available_micros: int) -> None:
        super().__init__("That is more than is available. Tick that the wallet may go below zero, if it shall.")
        self.available_micros = available_micros


class SecondPersonNeeded(WalletRefusal):
    """Who asked cannot decide, and who did not ask cannot withdraw."""

    code = "second_person_needed"


class ActRefused(WalletRefusal):
    """What the operator wants is not possible as the wallet stands; the message says why."""

    code = "act_refused"


class IdempotencyConflict(WalletError):
    """The idempotency key was used before for something else; nothing was done."""

    code = "idempotency_conflict"


class AlreadyResolved(WalletError):
    """The hold or top-up has its final state; nothing was done."""

    code = "already_resolved"


class TargetSilent(WalletError):
    """No connection, no TLS, no name, or no answer in time: whoever is there may have taken the message all the same."""

    code = "target_silent"


class SecretLost(WalletError):
    """Neither SECRET_KEY nor its fallbacks open the sealed secret: the endpoint needs a new one."""

    code = "secret_lost"


class PaymentMismatch(WalletError):
    """Amount, currency, mode or customer of Stripe's payment differ from our row; nothing was credited."""

    code = "payment_mismatch"


class UnknownPayment(WalletError):
    """Stripe's object names no top-up of ours; kept in the inbox and tried again."""

    code = "unknown_payment"


class GatewayError(WalletError):
    """Base of what stripe_gateway raises."""

    code = "gateway_error"


@dataclass(frozen=True)
class Decline:
    """Why a card was declined, in Stripe's words (docs.stripe.com/declines/codes)."""

    code: str
    decline_code: str = ""
    advice_code: str = ""
    network_decline_code: str = ""
    message: str = ""

    @property
    def reason(self) -> str:
        """The most telling code there is."""
        return self.decline_code or self.code


class CardDeclined(GatewayError):
    """The bank said no, or asks for the cardholder. `payment_id` is the PaymentIntent, where one was made."""

    code = "card_declined"

    def __init__(self, decline: Decline, *, payment_id: str = "") -> None:
        super().__init__(decline.message or "The card was declined.")
        self.decline = decline
        self.payment_id = payment_id


class GatewayUnavailable(GatewayError):
    """Stripe refused to act now (rate limit, key in use): the same request may be sent again."""

    code = "gateway_unavailable"


class OutcomeUnknown(GatewayError):
    """Time-out, no connection, reset or a 5xx: Stripe may or may not have acted. Ask later; never send under another key.

    `replayed` where Stripe answered from its memory of the key: nothing new was tried.
    """

    code = "outcome_unknown"

    def __init__(self, message: str, *, replayed: bool = False) -> None:
        super().__init__(message)
        self.replayed = replayed


class GatewayRejected(GatewayError):
    """Stripe calls the request wrong (400, 401, 403, 404): a bug or a wrong key, so it must be seen by a person.

    `key_was_used` where an earlier request under the same idempotency key asked for something else: what became of that
    one is not known, so this is no proof that nothing was done. `param` is what Stripe objects to, where it says so.
    `is_missing` where Stripe has no such object.
    """

    code = "gateway_rejected"

    def __init__(self, message: str, *, key_was_used: bool = False, param: str = "", is_missing: bool = False) -> None:
        super().__init__(message)
        self.key_was_used = key_was_used
        self.param = param
        self.is_missing = is_missing
