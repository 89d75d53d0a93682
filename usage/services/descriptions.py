"""What a customer reads of a use in Transaction History; written once, with the charge."""

from usage.services.measuring import Use

DESCRIPTION_MAX = 300


def describe(use: Use) -> str:
    """`+14155550142 · Sales agent · 4 min 12 s`: with whom, by which agent, how much."""
    data = use.event.data
    parts = (use.destination, use.agent, data.description, _amount(use))
    return " · ".join(part for part in parts if part)[:DESCRIPTION_MAX] or use.meter.name


def _amount(use: Use) -> str:
    if use.meter.unit == "second":
        return _duration(use.quantity) if use.event.data.answered else "not answered"
    if use.quantity == 1:
        return "" if use.meter.unit == "task" else f"1 {use.meter.unit}"
    return f"{use.quantity:,} {use.meter.unit}s"


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
