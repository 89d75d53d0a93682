"""The meters and the price list that a new installation starts with. Data only: an operator publishes prices of their own over it.

Amounts are micros of each currency, set by hand as a price list is: not converted, so that no exchange rate moves them.
"""

from datetime import UTC, datetime
from typing import NamedTuple

CURRENCIES = ("usd", "eur", "gbp")
IN_FORCE_SINCE = datetime(2020, 1, 1, tzinfo=UTC)
"""Before any use that can be reported, so that none is without a price."""


class DefaultMeter(NamedTuple):
    """A meter; the fields are those of usage.models.Meter. `live_meter` comes before it in the list."""

    key: str
    name: str
    unit: str
    kind: str
    live_meter: str | None = None


class DefaultRate(NamedTuple):
    """A price for `per_units` units in each of CURRENCIES, for every prefix named; `block` is first block and step."""

    meter: str
    micros: tuple[int, int, int]
    per_units: int = 1
    block: int = 1
    prefixes: tuple[str, ...] = ("",)


METERS = (
    DefaultMeter("call_out", "Outbound calls", "second", "call_out"),
    DefaultMeter("call_in", "Inbound calls", "second", "call_in"),
    DefaultMeter("call_web", "Web calls", "second", "call_in"),
    DefaultMeter("message_out", "Text messages", "segment", "message_out"),
    DefaultMeter("message_in", "Inbound messages", "segment", "message_in"),
    DefaultMeter("ai_task", "AI tasks", "task", "ai_task"),
    DefaultMeter("ai_tokens_in", "AI tokens read", "token", "ai_task"),
    DefaultMeter("ai_tokens_out", "AI tokens written", "token", "ai_task"),
    DefaultMeter("voice_lab", "Voice Lab", "second", "lab", live_meter="call_out"),
    DefaultMeter("chat_lab", "Chat Lab", "task", "lab", live_meter="ai_task"),
)

_CARIBBEAN = (
    *("1242", "1246", "1264", "1268", "1284", "1345", "1441", "1473", "1649", "1658", "1664", "1721"),
    *("1758", "1767", "1784", "1809", "1829", "1849", "1868", "1869", "1876"),
)
"""Numbers that begin as those of the United States do and cost many times as much."""

_SATELLITE = ("870", "881", "882", "883")


def _calls(*prefixes: str, micros: tuple[int, int, int], block: int = 60) -> DefaultRate:
    """Outbound calls, by the minute."""
    return DefaultRate("call_out", micros, per_units=60, block=block, prefixes=prefixes)


def _messages(*prefixes: str, micros: tuple[int, int, int]) -> DefaultRate:
    """Text messages, by the segment."""
    return DefaultRate("message_out", micros, prefixes=prefixes)


RATES = (
    _calls("", micros=(400_000, 370_000, 320_000)),
    _calls("1", micros=(14_000, 13_000, 11_000), block=6),  # United States, Canada
    _calls(*_CARIBBEAN, micros=(350_000, 320_000, 280_000)),
    _calls(*_SATELLITE, micros=(6_000_000, 5_500_000, 4_800_000)),
    _calls("31", micros=(18_000, 16_500, 14_500), block=6),  # Netherlands
    _calls("316", micros=(42_000, 39_000, 33_500), block=6),
    _calls("33", micros=(16_000, 15_000, 13_000), block=6),  # France
    _calls("336", "337", micros=(45_000, 41_500, 36_000), block=6),
    _calls("34", micros=(15_000, 14_000, 12_000), block=6),  # Spain
    _calls("346", "347", micros=(40_000, 37_000, 32_000), block=6),
    _calls("353", micros=(18_000, 16_500, 14_500), block=6),  # Ireland
    _calls("3538", micros=(48_000, 44_500, 38_500), block=6),
    _calls("39", micros=(17_000, 15_500, 13_500), block=6),  # Italy
    _calls("393", micros=(50_000, 46_500, 40_000), block=6),
    _calls("41", micros=(28_000, 26_000, 22_500)),  # Switzerland
    _calls("417", micros=(95_000, 88_000, 76_000)),
    _calls("44", micros=(15_000, 14_000, 12_000), block=6),  # United Kingdom
    _calls("447", micros=(38_000, 35_000, 30_500), block=6),
    _calls("46", micros=(16_000, 15_000, 13_000), block=6),  # Sweden
    _calls("467", micros=(44_000, 40_500, 35_000), block=6),
    _calls("49", micros=(16_000, 15_000, 13_000), block=6),  # Germany
    _calls("4915", "4916", "4917", micros=(46_000, 42_500, 37_000), block=6),
    _calls("55", micros=(38_000, 35_000, 30_500)),  # Brazil
    _calls("61", micros=(22_000, 20_500, 17_500), block=6),  # Australia
    _calls("614", micros=(60_000, 55_500, 48_000), block=6),
    _calls("81", micros=(70_000, 64_500, 56_000)),  # Japan
    _calls("91", micros=(32_000, 29_500, 25_500)),  # India
    DefaultRate("call_in", (8_500, 8_000, 7_000), per_units=60, block=60),
    DefaultRate("call_web", (6_000, 5_500, 5_000), per_units=60, block=60),
    _messages("", micros=(95_000, 88_000, 76_000)),
    _messages("1", micros=(10_000, 9_500, 8_000)),
    _messages(*_CARIBBEAN, micros=(80_000, 74_000, 64_000)),
    _messages("31", "41", "49", micros=(85_000, 79_000, 68_000)),
    _messages("33", "34", "353", "39", "46", micros=(75_000, 69_500, 60_000)),
    _messages("44", micros=(48_000, 44_500, 38_500)),
    _messages("55", "61", micros=(55_000, 51_000, 44_000)),
    DefaultRate("message_in", (7_500, 7_000, 6_000)),
    DefaultRate("ai_task", (50_000, 46_000, 40_000)),
    DefaultRate("ai_tokens_in", (3_000_000, 2_800_000, 2_400_000), per_units=1_000_000),
    DefaultRate("ai_tokens_out", (15_000_000, 14_000_000, 12_000_000), per_units=1_000_000),
    DefaultRate("voice_lab", (0, 0, 0)),
    DefaultRate("chat_lab", (0, 0, 0)),
)
