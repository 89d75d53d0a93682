"""From exceptions to problems. An exception that has no row here is a bug: it is raised on, logged, and answered 500."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import BadRequest, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from workspaces.api.problems import CODES, ApiError, problem_of

_WORDS = {
    "missing": "This is required.",
    "extra_forbidden": "This is not known here: remove it.",
    "int_type": "Give a whole number, without quotation marks or decimals.",
    "string_unicode": "Give text that is valid Unicode.",
}
"""Our words for pydantic's commonest findings; the others' are clear enough."""


def add_handlers(api: NinjaAPI, *, errors: Iterable[type[Exception]]) -> None:
    """`errors` are base classes of the apps' own errors, whose `code` has a row in CODES."""
    api.add_exception_handler(ApiError, _api_error)
    api.add_exception_handler(ValidationError, _validation_error)
    api.add_exception_handler(HttpError, _http_error)
    api.add_exception_handler(Http404, lambda request, error: problem_of("not_found"))
    api.add_exception_handler(RequestDataTooBig, lambda request, error: problem_of("too_large"))
    api.add_exception_handler(UnreadablePostError, lambda request, error: problem_of("malformed"))
    api.add_exception_handler(BadRequest, lambda request, error: problem_of("malformed"))
    api.add_exception_handler(Exception, _raised_on)
    for error in errors:
        api.add_exception_handler(error, _coded_error)


def _api_error(request: HttpRequest, error: ApiError | type[ApiError]) -> HttpResponse:
    assert isinstance(error, ApiError)
    return problem_of(error.code, detail=str(error), headers=error.headers, **error.facts)


def _coded_error(request: HttpRequest, error: Any) -> HttpResponse:
    known = CODES.get(error.code)
    if known is None:
        raise error
    facts = {name: getattr(error, name) for name in known.facts}
    return problem_of(error.code, detail=str(error), **facts)


def _http_error(request: HttpRequest, error: Any) -> HttpResponse:
    """django-ninja wraps whatever the parser raises: a refusal of ours, or the reason why the body is no JSON."""
    if isinstance(error.__cause__, ApiError):
        return _api_error(request, error.__cause__)
    assert error.status_code == 400, "nothing else raises django-ninja's own errors"
    return problem_of("malformed", detail=f"The body is not valid JSON: {error.__cause__}." if error.__cause__ else "")


def _validation_error(request: HttpRequest, error: Any) -> HttpResponse:
    found = [_finding(each) for each in error.errors]
    detail = "; ".join(f"{each.get('pointer') or each.get('parameter')}: {each['detail']}" for each in found[:3])
    return problem_of("invalid", detail=detail, errors=found)


def _finding(error: dict[str, Any]) -> dict[str, str]:
    """What is wrong, and where: a JSON pointer into the body, or the name of a parameter."""
    source, *path = error["loc"]
    detail = _WORDS.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    if source == "body":
        # The first step is the name of the view's own argument.
        return {"detail": detail, "pointer": "#" + "".join(f"/{_escaped(str(step))}" for step in path[1:])}
    return {"detail": detail, "parameter": next((step for step in reversed(path) if isinstance(step, str)), source)}


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _raised_on(request: HttpRequest, error: Any) -> HttpResponse:
    raise error
