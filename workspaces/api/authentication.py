"""Who asks: an API key in the Authorization header, with the scope that the operation needs and within its rate.

Nowhere else is a key accepted. Every refusal is the same from outside, so that nobody learns which keys exist.
"""

import hmac
import re
from collections.abc import Collection

from django.http import HttpRequest
from ninja.security.http import HttpAuthBase

from workspaces import queries, services
from workspaces.acting import act_by_key
from workspaces.api.limits import Policy, count_request
from workspaces.api.problems import KeyInAddress, ScopeMissing, Unauthenticated, UnknownParameter
from workspaces.models import ApiKey, Scope

_KEY = re.compile(r"wk_(live|test)_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")
_LOOKS_LIKE_A_KEY = re.compile(r"wk_(live|test)_", re.IGNORECASE)
_NAMES_OF_KEYS = {"access_token", "api_key", "apikey", "authorization", "key", "token"}


class ApiRequest(HttpRequest):
    """A request whose key is known and may do what it asks. `effect_id` is there under idempotency.once alone."""

    auth: ApiKey
    answer_headers: dict[str, str]
    effect_id: str


class BearerKey(HttpAuthBase):
    """One operation's check. `parameters` are the query parameters it has; the router fills them in."""

    openapi_scheme = "bearer"
    openapi_description = "An API key, made under Settings → API keys: `Authorization: Bearer wk_live_…`. Never in the address."

    def __init__(self, scope: Scope, *, policy: Policy, parameters: Collection[str] = ()) -> None:
        self.scope = scope
        self.policy = policy
        self.parameters = frozenset(parameters)
        super().__init__()

    def __call__(self, request: HttpRequest) -> ApiKey:
        """The key. Raises: KeyInAddress, Unauthenticated, RateLimited, Unavailable, ScopeMissing, UnknownParameter."""
        _refuse_key_in_address(request)
        api_key = authenticate(request)
        request.answer_headers = count_request(self.policy, key=str(api_key.pk))  # type: ignore[attr-defined]  # read by ApiAnswers
        if self.scope.value not in api_key.scopes:
            raise ScopeMissing(self.scope.value)
        self._refuse_unknown_parameters(request)
        services.note_use(api_key)
        act_by_key(api_key)
        return api_key

    def _refuse_unknown_parameters(self, request: HttpRequest) -> None:
        unknown = sorted(request.GET.keys() - self.parameters)
        if unknown:
            raise UnknownParameter(
                f"This operation has no parameter {unknown[0][:60]!r}. It has: {', '.join(sorted(self.parameters)) or 'none'}."
            )


def authenticate(request: HttpRequest) -> ApiKey:
    """The valid key that the Authorization header carries. Raises: Unauthenticated."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not _KEY.fullmatch(secret):
        raise Unauthenticated
    secret_sha256 = services.hashed(secret)
    api_key = queries.api_key_of_hash(secret_sha256)
    # The index finds it by the hash of 256 random bits, of which timing tells nothing; the comparison is for those who look for one.
    if api_key is None or not hmac.compare_digest(api_key.secret_sha256, secret_sha256) or not api_key.is_valid:
        raise Unauthenticated
    return api_key


def _refuse_key_in_address(request: HttpRequest) -> None:
    query = request.GET
    if any(name.lower() in _NAMES_OF_KEYS for name in query) or any(_LOOKS_LIKE_A_KEY.search(text) for text in _texts(request)):
        raise KeyInAddress


def _texts(request: HttpRequest) -> list[str]:
    return [request.path, *(value for values in request.GET.lists() for value in (values[0], *values[1]))]
