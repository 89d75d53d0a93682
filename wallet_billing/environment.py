"""Reads the environment variables that variables.py names, with a sentence that says what to set where one is wrong.

`settings.py` reads through these functions; nothing else may look into `os.environ`.
"""

import os
from typing import Any
from urllib.parse import urlsplit

import environ
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


def address(name: str, *, schemes: tuple[str, ...]) -> str:
    """An address that begins with one of the schemes. The message names the scheme alone: the rest may hold a password."""
    value = text(name)
    scheme = urlsplit(value).scheme
    if scheme not in schemes:
        raise ImproperlyConfigured(f"{name} begins with {scheme or 'no scheme'}: set it to an address that begins with {schemes[0]}://")
    return value


def database(name: str) -> dict[str, Any]:
    """Django's settings for a PostgreSQL address."""
    parsed: dict[str, Any] = environ.Env.db_url_config(address(name, schemes=("postgres", "postgresql")))
    if not parsed["NAME"] or not parsed["USER"]:
        raise ImproperlyConfigured(f"{name} names no role or no database: set it as in postgres://role:password@host/database")
    return parsed


def mail(name: str) -> dict[str, Any]:
    """Django's mail settings for an address."""
    schemes = ("smtp+tls", "smtp+ssl", "smtp", "filemail", "consolemail")
    parsed: dict[str, Any] = environ.Env.email_url_config(address(name, schemes=schemes))
    if urlsplit(text(name)).scheme == "filemail":
        # The library reads filemail:///folder as a path from wherever the process happens to stand.
        parsed["EMAIL_FILE_PATH"] = f"/{parsed['EMAIL_FILE_PATH']}"
    return parsed
