"""The API's own description: what django-ninja makes of the operations, with every refusal, scope and header said in full."""

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from wallet_billing.problems import CONTENT_TYPE, problem_body
from workspaces.api.problems import CODES

JSON = "application/json"
_RATE_HEADERS = {
    "RateLimit-Policy": {
        "description": 'The key\'s quota and window in seconds: `"requests";q=6000;w=60`.',
        "schema": {"type": "string"},
    },
    "RateLimit": {"description": "What is left of it, and seconds until it begins anew.", "schema": {"type": "string"}},
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "Bearer, and what is missing.", "schema": {"type": "string"}}}
_HEADERS_OF = {401: _CHALLENGE, 403: _CHALLENGE, 429: _RETRY_AFTER, 503: _RETRY_AFTER}


class DescribedApi(NinjaAPI):
    """django-ninja's API, with a description that a client can be written from."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The view's name: they are unique, and clients are named after them."""
        name: str = operation.view_func.__name__
        return name

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The whole description. Made anew on each call: keep it."""
        schema = super().get_openapi_schema(**options)
        for path in schema["paths"].values():
            for described in path.values():
                _complete(described)
        return schema


def _complete(operation: dict[str, Any]) -> None:
    codes, scope = operation.pop("x-problems", []), operation.get("x-scope")
    for status, answer in operation["responses"].items():
        if status >= 400:
            _describe_refusals(answer, status=status, codes=[code for code in codes if CODES[code].status == status])
        else:
            answer["headers"] = dict(_RATE_HEADERS) if scope else {}
    if scope:
        operation["security"] = [{name: [scope] for name in entry} for entry in operation.get("security", [])]
        operation["description"] = f"{operation.get('description', '')}\n\nScope: `{scope}`".strip()


def _describe_refusals(answer: dict[str, Any], *, status: int, codes: list[str]) -> None:
    answer["description"] = " ".join(f"`{code}`: {CODES[code].meaning}" for code in codes)
    answer["headers"] = _HEADERS_OF.get(status, {})
    # ProblemOut as a document's reference; further members are allowed in it.
    content = answer.pop("content")[JSON]
    content["examples"] = {
        code: {"value": problem_body(status=status, code=code, title=CODES[code].title, detail=CODES[code].meaning)} for code in codes
    }
    answer["content"] = {CONTENT_TYPE: content}
