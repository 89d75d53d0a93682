"""How a report of uses is described in the OpenAPI document: CloudEvents with the limits that usage.cloud_events and measuring hold to.

Words and shapes only: what is taken and what is kept aside is decided there.
"""

from itertools import combinations
from typing import Any

from usage.cloud_events import BATCH, BATCH_EVENTS_MAX, MESSAGE_CHARACTERS_MAX, PLAIN_JSON, QUANTITY_MAX, SINGLE, TEXT_MAX
from usage.services.measuring import AGENT_MAX, AHEAD_MAX, DESCRIPTION_MAX, LATE_MAX

Schema = dict[str, Any]

_NULL: Schema = {"type": "null"}
_HOW_MUCH = ("duration_seconds", "quantity", "text")


def _or_null(schema: Schema, *, description: str) -> Schema:
    """Null stands for leaving it out."""
    return {"anyOf": [schema, _NULL], "description": description}


def _both_given(one: str, other: str) -> Schema:
    return {"required": [one, other], "properties": {name: {"not": _NULL} for name in (one, other)}}


def _name(what: str) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": TEXT_MAX, "description": what}


_DATA: Schema = {
    "type": "object",
    "additionalProperties": False,
    "description": "What was used. How much is said once: by duration_seconds, quantity or text.",
    "not": {"anyOf": [_both_given(one, other) for one, other in combinations(_HOW_MUCH, 2)]},
    "example": {"duration_seconds": 272, "to": "+14155550142", "from": "+12125550100", "agent": "Sales agent"},
    "properties": {
        "duration_seconds": _or_null(
            {"type": "number", "minimum": 0, "maximum": QUANTITY_MAX}, description="Of a call; a begun second counts."
        ),
        "quantity": _or_null({"type": "integer", "minimum": 0, "maximum": QUANTITY_MAX}, description="In the meter's unit."),
        "text": _or_null(
            {"type": "string", "maxLength": MESSAGE_CHARACTERS_MAX}, description="Of a message: its segments are counted here."
        ),
        "answered": {"type": "boolean", "default": True, "description": "Of a call: one that was not answered is free."},
        "to": {"type": "string", "description": "E.164 with its plus; short numbers as they are dialled."},
        "from": {"type": "string", "description": "The same; of what comes in it may be a name, or withheld."},
        "agent": {"type": "string", "maxLength": AGENT_MAX, "description": "The agent that it ran on, for its budget."},
        "hold": {"type": "string", "format": "uuid", "description": "The hold that the use was started with."},
        "description": {"type": "string", "maxLength": DESCRIPTION_MAX, "description": "What the customer reads beside it."},
    },
}
_ATTRIBUTES: Schema = {
    "specversion": {"type": "string", "const": "1.0"},
    "id": _name("With source, the event's identity for ever."),
    "source": _name("Where ids are made: with id, the event's identity for ever."),
    "type": _name("The meter."),
    "subject": _name("The workspace: its public id, or the platform's own id for it."),
    "time": _or_null(
        {"type": "string", "format": "date-time"},
        description=(
            "When it began; the price in force then is taken. Now where it is left out. "
            f"Kept aside where it is more than {LATE_MAX.days} days ago or {AHEAD_MAX.seconds // 60} minutes ahead."
        ),
    ),
}
_EVENT: Schema = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "subject"],
    "properties": _ATTRIBUTES | {"data": _DATA},
    "example": {
        "specversion": "1.0",
        "id": "call-7731",
        "source": "/calls",
        "type": "call_out",
        "subject": "customer-1042",
        "data": _DATA["example"],
    },
}


def _header(name: str) -> Schema:
    return {
        "in": "header",
        "name": f"ce-{name}",
        "required": False,
        "schema": _ATTRIBUTES[name],
        "description": f"Binary mode alone: the event's {name}.",
    }


EVENTS_BODY: Schema = {
    "required": True,
    "content": {
        SINGLE: {"schema": _EVENT},
        BATCH: {"schema": {"type": "array", "maxItems": BATCH_EVENTS_MAX, "items": _EVENT}},
        # Binary mode: the data alone, and the attributes in headers.
        PLAIN_JSON: {"schema": _DATA},
    },
}
BINARY_HEADERS = [_header(name) for name in _ATTRIBUTES]
