"""Reading bodies: JSON as its standard has it, and nothing that only looks like it."""

import json
from typing import Any, NoReturn

from django.http import HttpRequest
from ninja.parser import Parser

from workspaces.api.problems import Malformed, TooLarge, UnsupportedMediaType

BODY_BYTES_MAX = 64 * 1024
"""For ordinary requests; reports of use have their own way in."""


class JsonParser(Parser):
    """Strict: the content type counts, and so does the size."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Raises: UnsupportedMediaType, TooLarge, Malformed."""
        if request.content_type != "application/json":
            raise UnsupportedMediaType("Send Content-Type: application/json.")
        return parse_json(request.body, bytes_max=BODY_BYTES_MAX)


def parse_json(body: bytes, *, bytes_max: int) -> Any:
    """The value of a body, in UTF-8. NaN and Infinity are no JSON. Raises: TooLarge, Malformed."""
    if len(body) > bytes_max:
        raise TooLarge(f"At most {bytes_max} bytes, not {len(body)}.")
    try:
        return json.loads(body.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"The body is not valid JSON: {error}.") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")
