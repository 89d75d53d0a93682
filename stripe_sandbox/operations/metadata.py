"""How metadata is changed: keys are merged, an empty value removes its key, an empty whole removes all."""

from collections.abc import Mapping
from typing import Any


def merged(old: Mapping[str, str] | None, wish: Mapping[str, Any]) -> dict[str, str]:
    """The metadata after a request that may or may not have sent some."""
    if "metadata" not in wish:
        return dict(old or {})
    if not wish["metadata"]:
        return {}
    return {key: value for key, value in {**(old or {}), **wish["metadata"]}.items() if value != ""}
