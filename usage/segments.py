"""How many segments a text message has on the air: GSM-7 (3GPP TS 23.038), or UCS-2 once one character is outside it. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = "\f^{}\\[~]|€"
_GSM7 = dict.fromkeys(_BASIC, 1) | dict.fromkeys(_EXTENSION, 2)
"""Septets of each character of the default alphabet; those of the extension table follow an escape, so they take two."""

_PLAIN = re.compile(f"[{re.escape(_BASIC)}]*")
_BASIC_PLANE_LAST = 0xFFFF


@dataclass(frozen=True, slots=True)
class Segments:
    """`units` are septets in GSM-7 and 16-bit code units in UCS-2, without what stays empty at the end of a segment."""

    encoding: Literal["gsm7", "ucs2"]
    units: int
    count: int


class _Limits(NamedTuple):
    """Units that fit into a message alone, and into each of several that are joined (6 octets go to the join's header)."""

    alone: int
    joined: int


_GSM7_LIMITS = _Limits(160, 153)
_UCS2_LIMITS = _Limits(70, 67)


def segments(text: str) -> Segments:
    """The segments of a text; one that is empty is still one message."""
    if _PLAIN.fullmatch(text):
        # By far the most texts, and ten times as quick: every character is one unit, so nothing can be torn apart.
        units, limits = len(text), _GSM7_LIMITS
        return Segments("gsm7", units, 1 if units <= limits.alone else (units - 1) // limits.joined + 1)
    try:
        widths = [_GSM7[character] for character in text]
    except KeyError:
        widths = [2 if ord(character) > _BASIC_PLANE_LAST else 1 for character in text]
        return _counted("ucs2", widths, limits=_UCS2_LIMITS)
    return _counted("gsm7", widths, limits=_GSM7_LIMITS)


def _counted(encoding: Literal["gsm7", "ucs2"], widths: list[int], *, limits: _Limits) -> Segments:
    units = sum(widths)
    return Segments(encoding, units, 1 if units <= limits.alone else _joined(widths, capacity=limits.joined))


def _joined(widths: Iterable[int], *, capacity: int) -> int:
    """Fills one segment after the other; a character of two units that does not fit whole goes to the next."""
    count, filled = 1, 0
    for width in widths:
        if filled + width > capacity:
            count, filled = count + 1, 0
        filled += width
    return count
