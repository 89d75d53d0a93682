"""The last word on every answer under /api/: the key's rate in the headers, and no refusal that a machine could not read."""

import json
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from wallet_billing.problems import CONTENT_TYPE, problem_body
from workspaces.api.problems import CODES, code_of_status

API_PATH = "/api/"


class ApiAnswers:
    """Middleware. Django's own refusals (no such address, a bad host, a fault) become problems, with their headers kept."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answers; pages are none of its business."""
        response = self._get_response(request)
        if not request.path.startswith(API_PATH):
            return response
        if response.status_code >= 400 and response.headers.get("Content-Type") != CONTENT_TYPE:
            _make_a_problem(response)
        for name, value in getattr(request, "answer_headers", {}).items():
            response.headers[name] = value
        return response


def _make_a_problem(response: HttpResponse) -> None:
    code = code_of_status(response.status_code)
    known = CODES[code]
    body = problem_body(status=response.status_code, code=code, title=known.title, detail=known.meaning)
    response.content = json.dumps(body).encode()
    response.headers["Content-Type"] = CONTENT_TYPE
    response.headers.pop("Content-Length", None)
