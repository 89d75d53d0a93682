"""The API's own description: what django-ninja makes of the operations, with every refusal, scope and header said in full."""

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from wallet_billing.problems import CONTENT_TYPE, problem_body
from workspaces.api.problems import CODES

JSON = "application/json"
SHARED = "#/components/responses/"
_RATE_HEADERS = {
    "RateLimit-Policy": {
        "description": 'The key\'s quota, and its window in seconds: `"requests";q=6000;w=60`.',
        "schema": {"type": "string"},
    },
    "RateLimit": {"description": "What is left of it, and seconds until it begins anew.", "schema": {"type": "string"}},
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "Bearer, and what is missing.", "schema": {"type": "string"}}}
_HEADERS_OF = {401: _CHALLENGE, 403: _CHALLENGE, 429: _RETRY_AFTER, 503: _RETRY_AFTER}


class DescribedApi(NinjaAPI):
    """django-ninja's API, with a description that a client can be written from."""

    _described: OpenAPISchema | None = None

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The view's name: they are unique, and clients are named after them."""
        name: str = operation.view_func.__name__
        return name

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The whole description. Made once: the operations never change while the process lives."""
        if self._described is None:
            self._described = super().get_openapi_schema(**options)
            _complete(self._described)
        return self._described


def _complete(schema: OpenAPISchema) -> None:
    shared = schema["components"].setdefault("responses", {})
    for methods in schema["paths"].values():
        for operation in methods.values():
            codes = operation.pop("x-problems", [])
            operation["parameters"] = [_plain_parameter(parameter) for parameter in operation["parameters"]]
            operation["responses"] = {
                str(status): _refusal(shared, status=status, codes=[code for code in codes if CODES[code].status == status])
                if status >= 400
                else answer | {"headers": _RATE_HEADERS}
                for status, answer in operation["responses"].items()
            }
            scope = operation.get("x-scope", "")
            operation["security"] = [{name: [scope] for name in entry} for entry in operation.get("security", [])]


def _refusal(shared: dict[str, Any], *, status: int, codes: list[str]) -> dict[str, str]:
    """A reference to the answer for these codes, which is the same for many operations."""
    name = "-or-".join(codes)
    shared[name] = {
        "description": " ".join(f"`{code}`: {CODES[code].meaning}" for code in codes),
        "headers": _HEADERS_OF.get(status, {}),
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}, "examples": _examples(codes)}},
    }
    return {"$ref": f"{SHARED}{name}"}


def _examples(codes: list[str]) -> dict[str, Any]:
    return {
        code: {"value": problem_body(status=CODES[code].status, code=code, title=CODES[code].title, detail=CODES[code].meaning)}
        for code in codes
    }


def _plain_parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    """What stands in an address is there or not: it is never null. Examples belong to the schema, where a list is right."""
    schema = dict(parameter["schema"])
    possible = [each for each in schema.pop("anyOf", []) if each != {"type": "null"}]
    for each in possible:
        schema = {**each, **schema}
    return {name: value for name, value in parameter.items() if name != "examples"} | {"schema": schema}
