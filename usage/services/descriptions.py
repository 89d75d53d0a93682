"""What a customer reads of a use in Transaction History; written once, with the charge."""

from usage.cloud_events import UseData
from usage.models import Meter

DESCRIPTION_MAX = 300


def describe(meter: Meter, data: UseData, *, quantity: int, other_side: str, agent: str) -> str:
    """`+14155550142 · Sales agent · 4 min 12 s`: with whom, by which agent, how much."""
    parts = (other_side, agent, data.description, _amount(meter, data, quantity))
    return " · ".join([part for part in parts if part])[:DESCRIPTION_MAX] or meter.name


def _amount(meter: Meter, data: UseData, quantity: int) -> str:
    if meter.unit == "second":
        return _duration(quantity) if data.answered else "not answered"
    if quantity == 1:
        return "" if meter.unit == "task" else f"1 {meter.unit}"
    return f"{quantity:,} {meter.unit}s"


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
