"""Every no of the API, as problem+json: one row of CODES for each, so that the reference can list them all.

ApiError is raised by the API's own checks. The errors of the apps keep their classes; `problem_of` puts them in words
by their `code`. An error without a row here is a bug and becomes a 500.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from django.http import HttpResponse

from wallet_billing.problems import problem


@dataclass(frozen=True)
class Code:
    """What a code means, for whoever meets it.

    `title` never changes from case to case, as RFC 9457 asks. `facts` are attributes of the error that become members.
    """

    status: int
    title: str
    meaning: str
    facts: tuple[str, ...] = ()


CODES: dict[str, Code] = {
    "malformed": Code(400, "Malformed request", "The body is not the JSON that it claims to be. Nothing was done."),
    "unknown_parameter": Code(400, "Unknown parameter", "The address carries a parameter that this operation does not have."),
    "idempotency_key_required": Code(
        400, "Idempotency-Key required", "This operation wants an Idempotency-Key: 1 to 200 visible ASCII characters, new for each intent."
    ),
    "unauthenticated": Code(
        401, "Not authenticated", "No valid API key in the Authorization header: missing, mistyped, expired or revoked."
    ),
    "key_in_address": Code(
        401, "Key in the address", "A key was sent in the address, where logs keep it. Revoke it, and send the new one in the header."
    ),
    "https_required": Code(
        403, "HTTPS required", "The request came without TLS. Use HTTPS, and replace the key that was sent in the clear."
    ),
    "scope_missing": Code(403, "Scope missing", "The key is valid and may not do this. Make one with the scope that is named."),
    "not_found": Code(404, "Not found", "It does not exist, or is not within this key's reach: the answer is the same on purpose."),
    "method_not_allowed": Code(405, "Method not allowed", "The address exists, for the methods in the Allow header."),
    "too_large": Code(413, "Too large", "The body is larger than this operation takes. Send less at once."),
    "unsupported_media_type": Code(415, "Unsupported media type", "Send the content type that this operation documents."),
    "invalid": Code(422, "Invalid request", "`errors` says what is wrong, where, and what would be right. Nothing was done."),
    "idempotency_conflict": Code(
        409, "Idempotency conflict", "This Idempotency-Key was used before for something else. Nothing was done: use a new key."
    ),
    "external_id_refused": Code(422, "External id refused", "Use letters, digits and . _ : @ | ~ + = -, with no ws_ in front."),
    "rate_limited": Code(429, "Too many requests", "More requests than the key's rate. Wait as long as Retry-After says."),
    "unavailable": Code(503, "Unavailable", "Nothing was done. Send the same again after Retry-After, with the same Idempotency-Key."),
    "error": Code(500, "Internal error", "A bug of ours, and logged: quote X-Request-ID. Sending the same again is safe."),
}
"""Apps add their own at import, with `add_codes`."""


def add_codes(codes: dict[str, Code]) -> None:
    """Make an app's codes known. A code has one meaning everywhere."""
    doubled = codes.keys() & CODES.keys()
    assert not doubled, f"These codes have a meaning already: {sorted(doubled)}"
    CODES.update(codes)


class ApiError(Exception):
    """Base of what the API itself refuses. `facts` become members of the problem, `headers` go on the answer."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str = "", *, headers: dict[str, str] | None = None, **facts: Any) -> None:
        super().__init__(detail or CODES[self.code].meaning)
        self.headers = headers or {}
        self.facts = facts


class Malformed(ApiError):
    """The body is no JSON."""

    code = "malformed"


class UnknownParameter(ApiError):
    """The address carries a parameter that the operation does not have: a filter must not be dropped in silence."""

    code = "unknown_parameter"


class IdempotencyKeyRequired(ApiError):
    """Missing, or not what a key may be."""

    code = "idempotency_key_required"


class IdempotencyKeyReused(ApiError):
    """The same key for something else."""

    code = "idempotency_conflict"


class Unauthenticated(ApiError):
    """No valid key; which of the reasons it is stays with us."""

    code = "unauthenticated"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class KeyInAddress(ApiError):
    """A key in the query string is refused, valid or not: it stands in every log on the way by now (ASVS 14.2.1)."""

    code = "key_in_address"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class ScopeMissing(ApiError):
    """The key may not do this."""

    code = "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"This needs a key with the scope {scope}.",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
            scope=scope,
        )


class NotFound(ApiError):
    """Not there, or not within the key's reach."""

    code = "not_found"


class TooLarge(ApiError):
    """The body is larger than the operation takes."""

    code = "too_large"


class UnsupportedMediaType(ApiError):
    """Not a content type of this operation."""

    code = "unsupported_media_type"


class Invalid(ApiError):
    """Understood and not acceptable; `errors` names each place."""

    code = "invalid"


class RateLimited(ApiError):
    """More requests than the key's rate."""

    code = "rate_limited"

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(f"Wait {retry_after_seconds} s.", headers={"Retry-After": str(retry_after_seconds)})


class Unavailable(ApiError):
    """Something this needs does not answer just now."""

    code = "unavailable"

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(headers={"Retry-After": str(retry_after_seconds)})


def problem_of(code: str, *, detail: str = "", headers: dict[str, str] | None = None, **facts: Any) -> HttpResponse:
    """The answer for a code of CODES. Raises KeyError for a code that has no row: that is a bug, and so a 500."""
    known = CODES[code]
    answer = problem(status=known.status, code=code, title=known.title, detail=detail or known.meaning, **facts)
    for name, value in (headers or {}).items():
        answer.headers[name] = value
    return answer


def code_of_status(status: int) -> str:
    """The code for an answer of which only the status is known: Django's own refusals."""
    codes = {400: "malformed", 401: "unauthenticated", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 503: "unavailable"}
    return codes.get(status, "malformed" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "error")
