"""What requests and answers are made of: strict bodies, amounts, instants, subjects, pages. No float is ever accepted."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from ninja import Path, Query, Schema
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

MICROS_MAX = 2**63 - 1
PAGE_ROWS_MAX = 500
_DIGITS_MAX = 19
_ISO_8601 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})")

Item = TypeVar("Item")


class Body(Schema):
    """A request's body: a member that is not documented is refused by name, never ignored."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class ProblemOut(Schema):
    """A refusal, as RFC 9457 has it. Programs read `code`, people read `detail`."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Where this code is explained.", examples=["https://billing.example.com/docs/api#problem-not_found"])
    title: str = Field(description="The same for every case of a code.", examples=["Not found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    code: str = Field(description="Stable; for programs.", examples=["not_found"])
    detail: str = Field(description="What was wrong this time, and what to do.", examples=["This key reaches no such workspace."])


def _plain(text: str) -> str:
    if not text.isprintable():
        raise ValueError("Use one line of printable characters.")
    return text


def ascii_digits(text: Any) -> Any:
    if isinstance(text, str) and not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise ValueError("Give a whole number in the digits 0 to 9.")
    return text


def _iso_8601(text: Any) -> Any:
    # Otherwise a bare number would be taken for seconds since 1970, or for milliseconds, by its size.
    if not isinstance(text, str) or not _ISO_8601.fullmatch(text):
        raise ValueError("Give a moment as in 2026-11-20T09:30:00Z; in an address, write a plus sign as %2B.")
    return text


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("That is outside the years 1 to 9999.") from None


def one_of(choices: Iterable[str]) -> WithJsonSchema:
    """Beside an enumeration's type: its values in the description, where a reference by its class's bare name would meet its namesakes."""
    return WithJsonSchema({"type": "string", "enum": [str(choice) for choice in choices]})


Text = Annotated[str, AfterValidator(_plain)]
"""One line of printable text."""

AmountMicros = Annotated[
    int,
    Field(
        strict=True,
        gt=0,
        le=MICROS_MAX,
        description="An amount in micros, a JSON integer: 1,000,000 is one major unit, so $20 is 20000000. No decimals, no text.",
        examples=[20_000_000],
    ),
]
"""A positive amount that a caller sends."""

Micros = Annotated[int, Field(description="In micros: 1,000,000 is one major unit of the wallet's currency.", examples=[20_000_000])]
"""An amount in an answer."""

Instant = Annotated[
    datetime,
    PlainSerializer(lambda moment: moment.astimezone(UTC).isoformat().replace("+00:00", "Z"), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-20T09:30:00Z"]}),
]
"""A moment in an answer: ISO 8601 in UTC, to the microsecond."""

Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_iso_8601),
    AfterValidator(_utc),
    Field(description="ISO 8601 with its offset, as in 2026-11-20T09:30:00Z.", examples=["2026-11-20T09:30:00Z"]),
]
"""A moment that a caller sends. Without its offset nobody knows which it is: refused."""

OptionalMoment = Annotated[Moment | None, Query(None, description="ISO 8601 with its offset, as in 2026-11-20T09:30:00Z.")]
"""A moment in the address."""

Limit = Annotated[int, BeforeValidator(ascii_digits), Query(50, ge=1, le=PAGE_ROWS_MAX, description="Rows on a page, at most.")]
"""How long a page may be."""

Subject = Annotated[
    str,
    Path(
        description="The workspace: its public id (`ws_…`), or the platform's own id for it, as it was given at its making.",
        examples=["ws_5b0c2f9d41d7a3e86a1f20c4", "customer-1042"],
    ),
]


class Page(Schema, Generic[Item]):
    """One page of a list, newest first."""

    data: list[Item]
    next: str | None = Field(description="Send it back as `cursor` for the rows after these; null where there are none.")
