"""Stripe's lists: newest first, filtered, paged by the id of the last object seen."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from stripe_sandbox.errors import InvalidRequest, ResourceMissing
from stripe_sandbox.transaction import Document, Transaction, public

PAGE_DEFAULT = 10
PAGE_MAX = 100
_BOUNDS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def page(
    tx: Transaction,
    kind: str,
    *,
    url: str,
    params: Mapping[str, Any],
    equals: Mapping[str, Any] | None = None,
    keep: Callable[[Document], bool] | None = None,
) -> Document:
    """One page of a kind's documents. `equals`: members that must have these values; None is no wish."""
    limit = params.get("limit", PAGE_DEFAULT)
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidRequest(f"This value must be between 1 and {PAGE_MAX}.", code="parameter_invalid_integer", param="limit")
    conditions, values = _conditions(tx, kind, params=params, equals=equals or {})
    backwards = "ending_before" in params
    order = "ASC" if backwards else "DESC"
    wanted = " AND ".join(conditions)
    query = f"SELECT body FROM document WHERE {wanted} ORDER BY seq {order}"  # noqa: S608 -- our own words; what was sent is bound
    rows = tx.connection.execute(query, values)
    found: list[Document] = []
    for row in rows:
        document = json.loads(row["body"])
        if keep is None or keep(document):
            found.append(public(document))
        if len(found) > limit:
            break
    data = found[:limit]
    return {"object": "list", "data": data[::-1] if backwards else data, "has_more": len(found) > limit, "url": url}


def _conditions(tx: Transaction, kind: str, *, params: Mapping[str, Any], equals: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    conditions: list[str] = ["kind = ?"]
    values: list[Any] = [kind]
    for name, value in equals.items():
        if value is not None:
            conditions.append(f"json_extract(body, '$.{name}') = ?")
            values.append(value)
    for bound, moment in params.get("created", {}).items():
        conditions.append(f"created {_BOUNDS[bound]} ?")
        values.append(moment)
    for name, sign in (("starting_after", "<"), ("ending_before", ">")):
        if name in params:
            conditions.append(f"seq {sign} ?")
            values.append(_position(tx, kind, object_id=params[name], param=name))
    return conditions, values


def _position(tx: Transaction, kind: str, *, object_id: str, param: str) -> int:
    row = tx.connection.execute("SELECT seq FROM document WHERE id = ? AND kind = ?", (object_id, kind)).fetchone()
    if row is None:
        raise ResourceMissing(kind, object_id=object_id, param=param)
    return int(row["seq"])


def whole(data: list[Document], *, url: str) -> Document:
    """A short list that is always given whole."""
    return {"object": "list", "data": [public(document) for document in data], "has_more": False, "url": url}
