"""How much was used, in words: minutes, segments, tasks, tokens. Counts only; amounts of money are wallet.money's."""

from wallet.money import divide_half_up

SECOND = "second"
MINUTE_SECONDS = 60


def quantity_words(quantity: int, unit: str) -> str:
    """`611 min`, `506 segments`: a sum. Seconds are told in whole minutes from the first one on, rounded half up."""
    if unit != SECOND:
        return counted(quantity, unit)
    return f"{divide_half_up(quantity, divisor=MINUTE_SECONDS):,} min" if quantity >= MINUTE_SECONDS else f"{quantity} s"


def counted(quantity: int, unit: str) -> str:
    """`1 segment`, `2 segments`, `66 s`: exactly."""
    if unit == SECOND:
        return f"{quantity:,} s"
    return f"{quantity:,} {unit}" if quantity == 1 else f"{quantity:,} {unit}s"
