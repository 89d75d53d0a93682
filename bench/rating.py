"""What rating one use costs, in plain function calls of the same interpreter: `python -m bench.rating`.

The ratio travels between machines, the nanoseconds do not. Needs neither Django nor a database.
"""

import timeit
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from usage.rating import NO_RATES, CardRates, Rate, RateTable, Tier, affordable_quantity, first_block_cost, is_emergency, rate_use
from usage.segments import segments

CALLS = 20_000
ROUNDS = 7
PREFIXES = 10_000
START = datetime(2020, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TEXT = "Your appointment is tomorrow at 10:30. Reply C to confirm or R to move it. Northside Realty, +1 415 555 0142"


def rate(number: int, *, prefix: str = "", tiers: tuple[Tier, ...] = (), ended: bool = False) -> Rate:
    """A rate of $0.014 a minute, 6/6."""
    until = START + timedelta(days=365) if ended else None
    return Rate(number, "call_out", prefix, 14_000, 60, 0, 6, 6, tiers, START, until)


def plain(quantity: int, *, used_this_month: int = 0) -> int:
    """The yardstick: a function that does next to nothing."""
    return quantity + used_this_month


def nanoseconds(act: Callable[[], object]) -> float:
    """The least of several rounds, per call: what disturbs a measurement only ever adds."""
    return min(timeit.repeat(act, number=CALLS, repeat=ROUNDS)) / CALLS * 1e9


def main() -> None:
    """Prints one line per act."""
    flat, graduated = rate(1), rate(2, tiers=(Tier(1_000, 14_000), Tier(5_000, 12_000), Tier(None, 10_000)))
    small = RateTable(own=NO_RATES, default=CardRates(rate(number, prefix=prefix) for number, prefix in enumerate(("", "1", "44", "447"))))
    large = RateTable(own=NO_RATES, default=CardRates(rate(number, prefix=str(number)) for number in range(1, PREFIXES + 1)))
    acts: dict[str, Callable[[], object]] = {
        "a plain function call": lambda: plain(62, used_this_month=5),
        "rate_use, flat": lambda: rate_use(flat, quantity=62),
        "rate_use, tiers": lambda: rate_use(graduated, quantity=62, used_this_month=990),
        "first_block_cost": lambda: first_block_cost(flat),
        "RateTable.find, 4 prefixes": lambda: small.find("call_out", destination="+14155550142", at=NOW),
        f"RateTable.find, {PREFIXES:,} prefixes": lambda: large.find("call_out", destination="+14155550142", at=NOW),
        "affordable_quantity, 4 hours": lambda: affordable_quantity(flat, available_micros=1_000_000, most=14_400),
        "is_emergency": lambda: is_emergency("+14155550142"),
        "segments, 108 characters": lambda: segments(TEXT),
    }
    taken = {name: nanoseconds(act) for name, act in acts.items()}
    yardstick = taken["a plain function call"]
    print(f"{'':<34}{'ns':>10}{'plain calls':>14}")
    for name, each in taken.items():
        print(f"{name:<34}{each:>10,.0f}{each / yardstick:>14.1f}")


if __name__ == "__main__":
    main()
