"""Telephone numbers as people read them. Shown only: what is stored, searched and exported stays E.164."""

import re
from functools import lru_cache

import phonenumbers

_E164 = re.compile(r"\+[1-9][0-9]{6,14}(?![0-9])")


def readable_numbers(text: str) -> str:
    """The text with every number in it in groups: `+1 415 555 0142`."""
    return _E164.sub(lambda found: _readable(found[0]), text)


@lru_cache(maxsize=4096)
def _readable(number: str) -> str:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    # No line breaks inside a number.
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return re.sub("[ -]", "\N{NO-BREAK SPACE}", written)
