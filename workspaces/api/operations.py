"""Declaring an operation: its scope, its answers and every refusal it can give, in one line that the reference is made from.

router = ApiRouter(tags=["Wallets"])

@router.get("/wallets/{subject}", **operation(Scope.WALLET_READ, {200: WalletOut}, refuses=("not_found",)))
def wallet(request: ApiRequest, subject: Subject) -> WalletOut:
    workspace = workspace_of_subject(request.auth, subject)
"""

from collections.abc import Callable, Iterable
from typing import Any

from ninja import Router

from workspaces.api.authentication import BearerKey
from workspaces.api.fields import ProblemOut
from workspaces.api.limits import REQUESTS, Policy
from workspaces.api.problems import CODES
from workspaces.models import Scope

ALWAYS = ("unauthenticated", "key_in_address", "scope_missing", "unknown_parameter", "rate_limited", "unavailable", "error")
"""What every operation can answer."""


def operation(
    scope: Scope, answers: dict[int, Any], *, refuses: Iterable[str] = (), policy: Policy = REQUESTS, **extra: Any
) -> dict[str, Any]:
    """Arguments for a method of ApiRouter. `refuses` are codes of CODES beyond those that every operation has."""
    codes = (*ALWAYS, *refuses)
    statuses = sorted({CODES[code].status for code in codes})
    return {
        "auth": BearerKey(scope, policy=policy),
        "response": {**answers, **dict.fromkeys(statuses, ProblemOut)},
        "openapi_extra": {"x-problems": sorted(set(codes)), "x-scope": scope.value, **extra},
    }


class ApiRouter(Router):
    """A router whose operations know their query parameters, so that a mistyped filter is refused and not dropped."""

    def add_api_operation(self, path: str, methods: list[str], view_func: Callable[..., Any], **settings: Any) -> None:
        super().add_api_operation(path, methods, view_func, **settings)
        made = self.path_operations[path].operations[-1]
        for check in made.auth_callbacks:
            if isinstance(check, BearerKey):
                check.parameters = frozenset(
                    name for model in made.models if model.__ninja_param_source__ == "query" for name in _names(model)
                )


def _names(model: Any) -> Iterable[str]:
    flattened: Iterable[str] | None = getattr(model, "__ninja_flatten_map__", None)
    return flattened if flattened is not None else model.model_fields
