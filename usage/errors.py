"""Everything that can go wrong with metering and prices, one class each.

UsageError
├── UnknownMeter                  nothing is measured under that name
├── RatingError                   a use that has no price, whatever the rate
│   ├── BadQuantity               below zero, or more than can be counted
│   └── AmountTooLarge            would cost more than the database can hold
├── AlreadyMended                 a kept event that was replayed or discarded before
├── Overloaded                    the database was too busy to take a batch: send it again
├── NotAllowed                    the gate's no, with its reason
│   └── BudgetReached             a month's cap for an agent, number or key
└── PriceRefusal                  an expected no to whoever sets prices; nothing was changed
    ├── TermsInvalid              a prefix, block, tier or price that makes no sense
    ├── RateBackdated             would change what a moment that has passed has cost
    ├── RateOverlaps              another rate begins at that very moment
    ├── RateEnded                 a rate that is over cannot be ended again
    ├── PricesChanged             not what they were when somebody agreed to change them
    └── PriceSheetInvalid         lines of a price list that cannot be read

`code` is stable and goes to API clients and logs; `str(error)` is a sentence for the person.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class UsageError(Exception):
    """Base of all errors about use and prices."""

    code = "usage_error"


class UnknownMeter(UsageError):
    """No meter has that key, or it is switched off."""

    code = "unknown_meter"

    def __init__(self, key: str) -> None:
        super().__init__(f"There is no meter {key!r}.")
        self.key = key


class RatingError(UsageError):
    """Base of what rating refuses."""

    code = "rating_error"


class BadQuantity(RatingError):
    """A quantity below zero or above what can be counted."""

    code = "bad_quantity"

    def __init__(self, quantity: int) -> None:
        super().__init__(f"{quantity} is no quantity that can be billed.")
        self.quantity = quantity


class AmountTooLarge(RatingError):
    """The price of the use does not fit into a wallet: quantity or rate must be wrong."""

    code = "amount_too_large"

    def __init__(self, *, rate_id: int, quantity: int) -> None:
        super().__init__(f"{quantity} units at rate {rate_id} cost more than any wallet can hold.")
        self.rate_id = rate_id
        self.quantity = quantity


class AlreadyMended(UsageError):
    """The kept event has been replayed or discarded; nothing was done."""

    code = "already_mended"

    def __init__(self, status: str) -> None:
        super().__init__(f"This event was {status} before.")


class NotMendable(UsageError):
    """What was to be put in place of a kept event can't be; the sentence says why."""

    code = "not_mendable"


class Overloaded(UsageError):
    """Deadlocks or lock time-outs kept a batch from being taken; nothing of it was."""

    code = "overloaded"


class Reason(StrEnum):
    """Why a use may not start. Stable: API clients act on it."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    CALLS_PAUSED = "calls_paused"
    WALLET_FROZEN = "wallet_frozen"
    WALLET_CLOSED = "wallet_closed"
    NO_RATE = "no_rate"
    BUDGET_REACHED = "budget_reached"


WORDS = {
    Reason.INSUFFICIENT_FUNDS: "The wallet has too little available for this. Add balance to go on.",
    Reason.CALLS_PAUSED: "The money ran out and the grace time is over: all calls are paused until balance is added.",
    Reason.WALLET_FROZEN: "This wallet is frozen. Its workspace's admin can ask support why.",
    Reason.WALLET_CLOSED: "This workspace was closed.",
    Reason.NO_RATE: "Nothing prices this destination, so it can't be started.",
    Reason.BUDGET_REACHED: "The month's budget for this agent, number or key is used up.",
}


class NotAllowed(UsageError):
    """The use may not start. `reason` is the gate's; `grace_until` is set while or after inbound calls had their grace time."""

    code = "not_allowed"

    def __init__(self, reason: Reason, *, grace_until: datetime | None = None) -> None:
        super().__init__(WORDS[reason])
        self.reason = reason
        self.grace_until = grace_until


class BudgetReached(NotAllowed):
    """The month's budget of what the use runs on has no room for it."""

    code = "budget_reached"

    def __init__(self, scope: str, *, value: str, cap_micros: int, spent_micros: int) -> None:
        super().__init__(Reason.BUDGET_REACHED)
        self.scope, self.value = scope, value
        self.cap_micros, self.spent_micros = cap_micros, spent_micros


class PriceRefusal(UsageError):
    """Base of the refusals of a change of prices."""

    code = "price_refused"


class TermsInvalid(PriceRefusal):
    """The terms of a rate contradict themselves. The sentence names each field."""

    code = "terms_invalid"


class RateBackdated(PriceRefusal):
    """A price that stood at a moment that has passed stays what it was then."""

    code = "rate_backdated"

    def __init__(self, *, meter: str, prefix: str, at: datetime) -> None:
        super().__init__(f"The price of {_named(meter, prefix)} stood at {at:%Y-%m-%d %H:%M %Z} and cannot be changed for the past.")
        self.meter = meter
        self.prefix = prefix
        self.at = at


class RateOverlaps(PriceRefusal):
    """The card has another rate for the same meter and prefix from that very moment on, or the same pair came twice."""

    code = "rate_overlaps"

    def __init__(self, *, meter: str, prefix: str, at: datetime) -> None:
        super().__init__(f"Another price of {_named(meter, prefix)} begins at {at:%Y-%m-%d %H:%M %Z}: withdraw it first.")
        self.meter = meter
        self.prefix = prefix
        self.at = at


class PricesChanged(PriceRefusal):
    """The prices are not what they were when somebody agreed to change them."""

    code = "prices_changed"

    def __init__(self) -> None:
        super().__init__("The prices have changed since you looked.")


class RateEnded(PriceRefusal):
    """The rate has an end already, and that moment has passed."""

    code = "rate_ended"

    def __init__(self, rate_id: int) -> None:
        super().__init__(f"Rate {rate_id} has ended already.")
        self.rate_id = rate_id


def _named(meter: str, prefix: str) -> str:
    return f"{meter} to +{prefix}" if prefix else meter


class LineFault(NamedTuple):
    """What is wrong with one line of a price list; the first line below the heading is 2, as a spreadsheet counts."""

    line: int
    words: str


class PriceSheetInvalid(PriceRefusal):
    """A price list that was not read: `faults` names its lines, as far as they are few enough to help."""

    code = "price_sheet_invalid"

    def __init__(self, faults: Sequence[LineFault]) -> None:
        super().__init__(" ".join(f"Line {fault.line}: {fault.words}" for fault in faults[:3]))
        self.faults = list(faults)
