"""Refusals as machines read them: problem+json (RFC 9457), the same from the middleware as from the API. Knows no reasons."""

from typing import Any

from django.conf import settings
from django.http import JsonResponse

CONTENT_TYPE = "application/problem+json"
REFERENCE_PATH = "/docs/api"


def problem_type(code: str) -> str:
    """The address where the reference explains this code."""
    return f"{settings.SITE_URL}{REFERENCE_PATH}#problem-{code}"


def problem_body(*, status: int, code: str, title: str, detail: str, **facts: Any) -> dict[str, Any]:
    """`code` is stable and for programs; `title` is the same for each code; `detail` says what to do. `facts` are further members."""
    return {"type": problem_type(code), "title": title, "status": status, "code": code, "detail": detail, **facts}


def problem(*, status: int, code: str, title: str, detail: str, **facts: Any) -> JsonResponse:
    """The answer with that body."""
    return JsonResponse(
        problem_body(status=status, code=code, title=title, detail=detail, **facts), status=status, content_type=CONTENT_TYPE
    )
