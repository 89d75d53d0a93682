"""Form bodies and query strings as Stripe reads them: a[b][0]=v into typed values, unknown names refused.

Pure; it knows nothing of any operation.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from stripe_sandbox.currencies import SUPPORTED
from stripe_sandbox.errors import InvalidRequest

# Turns one raw value (text, dict or list) into a typed one; the second argument is its path, for the error.
Kind = Callable[[Any, str], Any]

NESTING_MAX = 12
METADATA_KEYS_MAX = 50
METADATA_KEY_LENGTH_MAX = 40
METADATA_VALUE_LENGTH_MAX = 500
TEXT_LENGTH_MAX = 5000


def unflatten(encoded: str) -> dict[str, Any]:
    """`a[b][0]=v&a[c]=w` as {'a': {'b': ['v'], 'c': 'w'}}; `a[]=v` appends."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        head, *rest = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", name)[:NESTING_MAX] or [name]
        _plant(root, [head, *rest], value=value)
    return {name: _with_lists(child) for name, child in root.items()}


def _plant(root: dict[str, Any], parts: list[str], *, value: str) -> None:
    node = root
    for part in parts[:-1]:
        child = node.setdefault(part or str(len(node)), {})
        if not isinstance(child, dict):
            raise InvalidRequest(f"Invalid hash: {parts[0]}", param=parts[0])
        node = child
    node[parts[-1] or str(len(node))] = value


def _with_lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdigit() for key in node):
        return [_with_lists(node[key]) for key in sorted(node, key=int)]
    return {key: _with_lists(child) for key, child in node.items()}


def read(raw: Mapping[str, Any], fields: Mapping[str, Kind], *, required: tuple[str, ...] = (), path: str = "") -> dict[str, Any]:
    """The typed values of what was sent. Raises InvalidRequest, in Stripe's words, for what is unknown, missing or malformed."""
    for name in raw:
        if name not in fields:
            where = f"{path}[{name}]" if path else name
            raise InvalidRequest(f"Received unknown parameter: {where}", code="parameter_unknown", param=where)
    for name in required:
        if raw.get(name, "") == "":
            where = f"{path}[{name}]" if path else name
            raise InvalidRequest(f"Missing required param: {where}.", code="parameter_missing", param=where)
    return {name: fields[name](value, f"{path}[{name}]" if path else name) for name, value in raw.items()}


def text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f"Invalid string: {value}", param=path)
    if len(value) > TEXT_LENGTH_MAX:
        message = f"Invalid string: {value[:20]}...; must be at most {TEXT_LENGTH_MAX} characters"
        raise InvalidRequest(message, code="parameter_invalid_string_length", param=path)
    return value


def filled_text(value: Any, path: str) -> str:
    """Text that may not be emptied: Stripe reads an empty value as an attempt to unset."""
    if value == "":
        message = (
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{path}' cannot be unset. You should remove '{path}' from your request or supply a non-empty value."
        )
        raise InvalidRequest(message, code="parameter_invalid_empty", param=path)
    return text(value, path)


def integer(value: Any, path: str) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise InvalidRequest(f"Invalid integer: {value}", code="parameter_invalid_integer", param=path)
    return int(value)


def boolean(value: Any, path: str) -> bool:
    if value not in ("true", "false"):
        raise InvalidRequest(f"Invalid boolean: {value}", param=path)
    return bool(value == "true")


def currency(value: Any, path: str) -> str:
    code = filled_text(value, path).lower()
    if code not in SUPPORTED:
        message = f"Invalid currency: {code}. Stripe currently supports these currencies: {', '.join(sorted(SUPPORTED))}"
        raise InvalidRequest(message, param=path)
    return code


def web_address(value: Any, path: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+\S*", filled_text(value, path)):
        raise InvalidRequest("Not a valid URL", code="url_invalid", param=path)
    return str(value)


def email(value: Any, path: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", filled_text(value, path)):
        raise InvalidRequest(f"Invalid email address: {value}", code="email_invalid", param=path)
    return str(value)


def metadata(value: Any, path: str) -> dict[str, str]:
    """Up to 50 pairs; an empty value removes its key, an empty whole removes all (told apart by the caller)."""
    if value == "":
        return {}
    if isinstance(value, list):
        value = {str(index): child for index, child in enumerate(value)}
    if not isinstance(value, dict) or not all(isinstance(child, str) for child in value.values()):
        raise InvalidRequest(f"Invalid hash: {path} must hold text only", param=path)
    if len(value) > METADATA_KEYS_MAX:
        raise InvalidRequest(f"Metadata can have at most {METADATA_KEYS_MAX} keys", param=path)
    for key, child in value.items():
        if len(key) > METADATA_KEY_LENGTH_MAX:
            raise InvalidRequest(f"Metadata keys must be at most {METADATA_KEY_LENGTH_MAX} characters: {key}", param=path)
        if len(child) > METADATA_VALUE_LENGTH_MAX:
            message = (
                f"Metadata values can have up to {METADATA_VALUE_LENGTH_MAX} characters, "
                f"but you passed in a value that is {len(child)} characters."
            )
            raise InvalidRequest(message, param=f"{path}[{key}]")
    return dict(value)


def one_of(*choices: str) -> Kind:
    def parse(value: Any, path: str) -> str:
        if value not in choices:
            raise InvalidRequest(f"Invalid {path}: must be one of {', '.join(choices)}", param=path)
        return str(value)

    return parse


def list_of(kind: Kind) -> Kind:
    def parse(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise InvalidRequest("Invalid array", param=path)
        return [kind(child, f"{path}[{index}]") for index, child in enumerate(value)]

    return parse


def hash_of(fields: Mapping[str, Kind], *, required: tuple[str, ...] = ()) -> Kind:
    def parse(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise InvalidRequest("Invalid object", param=path)
        return read(value, fields, required=required, path=path)

    return parse


def range_of_times(value: Any, path: str) -> dict[str, int]:
    """`created=123` or `created[gte]=123`, always as bounds."""
    if isinstance(value, dict):
        return read(value, {"gt": integer, "gte": integer, "lt": integer, "lte": integer}, path=path)
    moment = integer(value, path)
    return {"gte": moment, "lte": moment}


EXPAND: Mapping[str, Kind] = {"expand": list_of(text)}
PAGING: Mapping[str, Kind] = {"limit": integer, "starting_after": text, "ending_before": text, **EXPAND}
ADDRESS = hash_of({"city": text, "country": text, "line1": text, "line2": text, "postal_code": text, "state": text})
