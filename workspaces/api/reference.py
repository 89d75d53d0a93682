"""The API's description as a person reads it: sections, operations, fields and examples, made from the OpenAPI document alone.

Pure: a document in, plain values out. It knows nothing of what the operations do.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
NESTED_MAX = 4
_JSON = "application/json"
_BY_TYPE: dict[str, Any] = {"string": "…", "boolean": True, "object": {}, "array": [], "null": None}


@dataclass(frozen=True)
class Field:
    """One parameter or member, with what it may be in words. `name` is its path: `data[].seq`."""

    name: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True)
class Body:
    """One content type of a request or an answer."""

    content_type: str
    fields: list[Field]
    example: str


@dataclass(frozen=True)
class Answer:
    """One way that an operation ends well."""

    status: str
    description: str
    bodies: list[Body]


@dataclass(frozen=True)
class Described:
    """One operation."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    parameters: list[Field]
    bodies: list[Body]
    answers: list[Answer]
    codes: list[str]
    curl: str


@dataclass(frozen=True)
class Section:
    """The operations of one tag."""

    name: str
    description: str
    operations: list[Described]


def sections(document: Schema) -> list[Section]:
    """The whole reference, in the order of the document's tags."""
    reader = _Reader(document)
    found = [reader.described(path, method, operation) for path, method, operation in _operations(document)]
    return [
        Section(tag["name"], tag["description"], [described for described, tags in found if tag["name"] in tags])
        for tag in document.get("tags", [])
    ]


def _operations(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


class _Reader:
    """Follows references within one document."""

    def __init__(self, document: Schema) -> None:
        self._document = document
        self._site = document["servers"][0]["url"]

    def described(self, path: str, method: str, operation: Schema) -> tuple[Described, list[str]]:
        content = operation.get("requestBody", {}).get("content", {})
        bodies = [self._body(content_type, self._resolved(described["schema"])) for content_type, described in content.items()]
        described = Described(
            id=operation["operationId"],
            method=method.upper(),
            path=path,
            summary=operation["summary"],
            description=operation.get("description", ""),
            scope=operation.get("x-scope", ""),
            parameters=[self._parameter(parameter) for parameter in operation["parameters"]],
            bodies=bodies,
            answers=list(self._answers(operation)),
            codes=self._codes(operation),
            curl=self._curl(path, method.upper(), operation, bodies),
        )
        return described, operation.get("tags", [])

    def _answers(self, operation: Schema) -> Iterator[Answer]:
        for status, answer in operation["responses"].items():
            if "$ref" not in answer:
                content = answer.get("content", {})
                bodies = [self._body(content_type, self._resolved(each["schema"])) for content_type, each in content.items()]
                yield Answer(status, answer["description"], bodies)

    def _codes(self, operation: Schema) -> list[str]:
        shared = self._document["components"]["responses"]
        names = [answer["$ref"].rsplit("/", 1)[1] for answer in operation["responses"].values() if "$ref" in answer]
        return [code for name in names for code in shared[name]["content"]["application/problem+json"]["examples"]]

    def _parameter(self, parameter: Schema) -> Field:
        kind = self._kind(parameter["schema"])
        return Field(parameter["name"], f"{kind}, in the {parameter['in']}", parameter["required"], parameter.get("description", ""))

    def _body(self, content_type: str, schema: Schema) -> Body:
        example = json.dumps(self.example(schema), indent=2, ensure_ascii=False)
        return Body(content_type, list(self._fields(schema, prefix="", depth=0)), example)

    def _fields(self, schema: Schema, *, prefix: str, depth: int) -> Iterator[Field]:
        if schema.get("type") == "array":
            yield from self._fields(self._resolved(schema["items"]), prefix=f"{prefix}[].", depth=depth)
            return
        for name, given in schema.get("properties", {}).items():
            inner = self._resolved(given)
            yield Field(f"{prefix}{name}", self._kind(given), name in schema.get("required", []), inner.get("description", ""))
            if depth < NESTED_MAX and ("properties" in inner or inner.get("type") == "array"):
                below = f"{prefix}{name}" if inner.get("type") == "array" else f"{prefix}{name}."
                yield from self._fields(inner, prefix=below, depth=depth + 1)

    def _kind(self, schema: Schema) -> str:
        """What a value may be: `integer, 1 to 500`."""
        inner = self._resolved(schema)
        if "enum" in inner:
            return f"one of {', '.join(str(value) for value in inner['enum'])}{_or_null(schema)}"
        kind = inner.get("format") or inner.get("type", "any")
        if kind == "array":
            kind = f"array of {self._kind(inner['items'])}"
        return f"{kind}{_bounds(inner)}{_or_null(schema)}"

    def _resolved(self, schema: Schema) -> Schema:
        """The schema itself: references followed, null left out; what stands beside a reference wins."""
        for each in schema.get("anyOf") or schema.get("allOf") or []:
            if each != {"type": "null"}:
                return self._resolved({**each, **{name: value for name, value in schema.items() if name not in ("anyOf", "allOf")}})
        if "$ref" in schema:
            named = self._document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
            return self._resolved({**named, **{name: value for name, value in schema.items() if name != "$ref"}})
        return schema

    def example(self, schema: Schema) -> Any:
        """A value that the schema allows, from its own examples wherever it has them."""
        schema = self._resolved(schema)
        if "properties" in schema and "example" not in schema:
            return {name: self.example(inner) for name, inner in schema["properties"].items()}
        for given in (schema.get("examples"), schema.get("enum")):
            if given:
                return given[0]
        for name in ("example", "const", "default"):
            if name in schema:
                return schema[name]
        if schema.get("type") == "array":
            return [self.example(schema["items"])]
        if schema.get("format") == "uuid":
            return "0b9d1c52-6f0e-4a57-9d6e-3f1f0a4c8e21"
        if schema.get("type") in ("integer", "number"):
            return schema["exclusiveMinimum"] + 1 if "exclusiveMinimum" in schema else schema.get("minimum", 0)
        return _BY_TYPE.get(schema.get("type", "string"))

    def _curl(self, path: str, method: str, operation: Schema, bodies: list[Body]) -> str:
        query: list[str] = []
        lines = ['-H "Authorization: Bearer $KEY"']
        for parameter in operation["parameters"]:
            value = parameter.get("example") or self.example(parameter["schema"])
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", str(value))
            elif parameter["in"] == "query" and parameter["required"]:
                query.append(f"{parameter['name']}={value}")
            elif parameter["in"] == "header" and parameter["required"]:
                lines.append(f'-H "{parameter["name"]}: {value}"')
        if bodies:
            one_line = json.dumps(json.loads(bodies[0].example), ensure_ascii=False)
            lines += [f'-H "Content-Type: {bodies[0].content_type}"', f"-d '{one_line}'"]
        address = f"{self._site}{path}{'?' if query else ''}{'&'.join(query)}"
        begun = f'curl {"-X POST " if method == "POST" and not bodies else ""}"{address}"'
        return " \\\n  ".join([begun, *lines])


def _bounds(schema: Schema) -> str:
    least, most = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    if least is not None and most is not None and most < 2**53:
        return f", above {least}, at most {most}" if "exclusiveMinimum" in schema else f", {least} to {most}"
    if least is not None:
        return f", {'above' if 'exclusiveMinimum' in schema else 'at least'} {least}"
    if schema.get("maxLength"):
        return f", at most {schema['maxLength']} characters"
    return ""


def _or_null(schema: Schema) -> str:
    return " or null" if {"type": "null"} in schema.get("anyOf", []) else ""
