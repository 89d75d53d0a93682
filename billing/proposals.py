"""What to propose when automatic payments are switched on, from what a day costs of late. Pure: no Django, no clock, no float.

A charge takes seconds. What takes time is mending a card that the bank declines: until somebody has read the mail and
connected another one, the wallet lives on what is left below the threshold.
"""

from wallet.automatic_rule import MONTHLY_CAP_TIMES_MOST, Terms
from wallet.money import currency_of

MENDED_WITHIN_DAYS = 1
"""So long it takes until somebody has read that the card was declined, and has connected another one."""
AMOUNT_DAYS = 7
CAP_DAYS = 42
"""Six weeks of use: a busy month fits, a month that runs away does not."""
CHARGES_IN_CAP_LEAST = 4

_ROUND_FIGURES = (10, 15, 20, 25, 30, 40, 50, 60, 80, 100)


def propose_terms(burn_micros: int | None, *, currency: str) -> Terms:
    """A day's use for the threshold, a week's for the amount, six weeks' for the monthly cap, each rounded up to a round figure.

    `burn_micros` is what a day costs (pace.burn_per_day); where nothing is known of it, in dollars: 10, 25 and 100.
    """
    known = currency_of(currency)
    least, most = known.top_up_least_micros, known.top_up_most_micros
    if burn_micros is None:
        return Terms(threshold_micros=2 * least, amount_micros=5 * least, monthly_cap_micros=20 * least)
    threshold = _between(burn_micros * MENDED_WITHIN_DAYS, least=least, most=most)
    amount = _between(burn_micros * AMOUNT_DAYS, least=2 * least, most=most)
    cap = max(burn_micros * CAP_DAYS, amount * CHARGES_IN_CAP_LEAST)
    return Terms(
        threshold_micros=threshold,
        amount_micros=amount,
        monthly_cap_micros=_between(cap, least=amount, most=most * MONTHLY_CAP_TIMES_MOST),
    )


def round_figure(amount_micros: int) -> int:
    """The next round figure, never less: 1, 1.5, 2, 2.5, 3, 4, 5, 6 or 8 times a power of ten; `amount_micros` > 0."""
    assert amount_micros > 0, "Nothing is charged for nothing."
    power = 1
    while _ROUND_FIGURES[-1] * power < amount_micros:
        power *= 10
    return next(figure * power for figure in _ROUND_FIGURES if figure * power >= amount_micros)


def _between(amount_micros: int, *, least: int, most: int) -> int:
    return min(max(round_figure(amount_micros), least), most)
