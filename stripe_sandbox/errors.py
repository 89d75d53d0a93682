"""Stripe's errors, in Stripe's shape.

StripeError
├── InvalidRequest        400, a parameter or a state that does not allow it
│   ├── ResourceMissing   404, or 400 where a parameter names it
│   ├── UnknownAddress    404
│   └── AuthenticationFailed 401
├── CardDeclined          402, and what the attempt left behind (a failed charge, events) is kept
├── IdempotencyMismatch   400, the key was used with other parameters
├── KeyInUse              409, the key's first request is still running
├── RateLimited           429
└── ServerFault           500
"""

from typing import Any, ClassVar


class StripeError(Exception):
    """One error answer. `fields` are the further members of Stripe's error object."""

    status: ClassVar[int] = 400
    type: ClassVar[str] = "invalid_request_error"
    # Stripe's own advice to its SDKs; None leaves the decision to them.
    should_retry: ClassVar[bool | None] = None
    # What the operation did before it failed stays done.
    keeps_effects: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str = "", param: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.fields = fields

    def body(self) -> dict[str, Any]:
        """The answer's JSON, members in the order in which Stripe gives them."""
        error: dict[str, Any] = {"message": self.message, "type": self.type, **self.fields}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = f"https://docs.stripe.com/error-codes/{self.code.replace('_', '-')}"
        if self.param:
            error["param"] = self.param
        return {"error": dict(sorted(error.items()))}


class InvalidRequest(StripeError):
    """A parameter is missing, unknown or wrong, or the object's state refuses the operation."""


class ResourceMissing(InvalidRequest):
    """No object of that id, in the request's address."""

    status = 404

    def __init__(self, kind: str, *, object_id: str, param: str) -> None:
        super().__init__(f"No such {kind}: '{object_id}'", code="resource_missing", param=param)


class NamedMissing(ResourceMissing):
    """No object of the id that a parameter names."""

    status = 400


class UnknownAddress(InvalidRequest):
    """No operation of that method and path."""

    status = 404


class AuthenticationFailed(InvalidRequest):
    """No key, a malformed key, or a live one."""

    status = 401


class CardDeclined(StripeError):
    """The card said no. The attempt happened: its charge and its events stay."""

    status = 402
    type = "card_error"
    should_retry = False
    keeps_effects = True


class IdempotencyMismatch(StripeError):
    """The key was first used with other parameters or another endpoint."""

    type = "idempotency_error"
    should_retry = False


class KeyInUse(StripeError):
    """The first request with this key has not ended yet."""

    status = 409
    should_retry = True


class RateLimited(StripeError):
    """Too many requests; nothing was done."""

    status = 429


class ServerFault(StripeError):
    """Stripe's own failure. Whether anything was done is unknown to the caller."""

    status = 500
    type = "api_error"
