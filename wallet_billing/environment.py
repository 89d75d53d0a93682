"""Reads the environment variables that variables.py names, with a sentence that says what to set where one is wrong.

`settings.py` reads through these functions; nothing else may look into `os.environ`.
"""

import os

from django.core.exceptions import ImproperlyConfigured

from wallet_billing.variables import VARIABLES

_BY_NAME = {variable.name: variable for variable in VARIABLES}
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


def text(name: str) -> str:
    """The variable's value, or its default; raises ImproperlyConfigured with what to set."""
    variable = _BY_NAME[name]
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if variable.default is None:
        raise ImproperlyConfigured(f"Set {name} in the environment: {variable.meaning} For example {name}={variable.example}")
    return variable.default


def flag(name: str) -> bool:
    """True or false; raises ImproperlyConfigured for anything else."""
    value = text(name).lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}: set it to true or false.")


def whole_number(name: str, *, most: int) -> int:
    """An integer from 0 to `most`; raises ImproperlyConfigured for anything else."""
    value = text(name)
    if not value.isascii() or not value.isdigit() or int(value) > most:
        raise ImproperlyConfigured(f"{name} is {value!r}: set it to a whole number from 0 to {most}.")
    return int(value)


def items(name: str) -> list[str]:
    """A comma-separated list, without empty parts."""
    return [part.strip() for part in text(name).split(",") if part.strip()]
