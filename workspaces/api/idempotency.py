"""At most once: what a POST with an Idempotency-Key did is kept with its answer, in one transaction with the effect.

    @router.post("/wallets/{subject}/payment-links", **operation(Scope.WALLET_WRITE, {201: LinkOut}))
    @once(status=201)
    def make_link(request: ApiRequest, subject: Subject, body: LinkIn) -> LinkOut: ...

The view runs inside a transaction and refuses by raising: then nothing was done, and the key is not used up (faults: C6).
Nothing outside the database may happen in it: wake a worker instead. `request.effect_id` is a name for this very intent.
"""

import json
import re
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any, Concatenate, ParamSpec

from django.core.exceptions import BadRequest
from django.db import transaction
from django.http import HttpResponse
from ninja import Schema
from ninja.operation import Operation
from ninja.utils import contribute_operation_callback

from workspaces import services
from workspaces.api.authentication import ApiRequest
from workspaces.api.problems import IdempotencyKeyRequired, IdempotencyKeyReused

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
_KEY = re.compile(r"[!-~]{1,200}")

P = ParamSpec("P")
View = Callable[Concatenate[ApiRequest, P], Schema]
Answering = Callable[Concatenate[ApiRequest, P], HttpResponse]
Answer = dict[str, Any]


def _as_it_was(answer: Answer) -> Answer:
    return answer


def once(
    *, status: int, secret: tuple[str, ...] = (), restore: Callable[[Answer], Answer] = _as_it_was
) -> Callable[[View[P]], Answering[P]]:
    """Carry the view out at most once per Idempotency-Key, and answer whoever asks again what was answered first.

    `secret` names members of the answer that must not be kept in the database; `restore` puts them back into a kept answer.
    Raises: IdempotencyKeyRequired; IdempotencyKeyReused where the key was used for something else.
    """

    def decorated(view: View[P]) -> Answering[P]:
        @wraps(view)
        def carried_out_once(request: ApiRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            key, fingerprint = _key(request), _fingerprint(request)
            with transaction.atomic():
                # Of two at once, one waits here until the other has committed, and finds its answer. The key comes before every
                # other lock, so that two who wait for each other's keys cannot be.
                kept, is_first = services.claim_request(request.auth, key=key, fingerprint=fingerprint)
                if kept.fingerprint != fingerprint:
                    raise IdempotencyKeyReused
                if is_first:
                    request.effect_id = _effect_id(request, key=key)
                    answer = view(request, *args, **kwargs).model_dump(mode="json")
                    services.keep_answer(kept, status=status, body=json.dumps(_without(answer, secret)))
            if not is_first:
                answer = restore(json.loads(kept.body))
            return _answer(answer, status=status, replayed=not is_first)

        contribute_operation_callback(carried_out_once, _document)
        return carried_out_once

    return decorated


def _key(request: ApiRequest) -> str:
    key = request.headers.get(HEADER, "")
    if not _KEY.fullmatch(key):
        raise IdempotencyKeyRequired
    return key


def _fingerprint(request: ApiRequest) -> str:
    """Of what is asked for. The body counts by what it says: a client may order its members anew when it tries again."""
    try:
        body = json.dumps(json.loads(request.body), sort_keys=True) if request.body else ""
    except ValueError as error:
        raise BadRequest from error
    return sha256(f"{request.method} {request.get_full_path()}\n{body}".encode()).hexdigest()


def _effect_id(request: ApiRequest, *, key: str) -> str:
    """The same for ever for this tenant's key, also when the kept answer is long gone: for services that ask for a request's id."""
    return "api:" + sha256(f"{request.auth.workspace_id}\n{key}".encode()).hexdigest()


def _without(answer: Answer, secret: tuple[str, ...]) -> Answer:
    return answer | dict.fromkeys(secret)


def _answer(answer: Answer, *, status: int, replayed: bool) -> HttpResponse:
    response = HttpResponse(json.dumps(answer), status=status, content_type="application/json")
    if replayed:
        response.headers[REPLAYED_HEADER] = "true"
    return response


def _document(operation: Operation) -> None:
    """The header in the reference, and the refusals that come with it."""
    extra = operation.openapi_extra = operation.openapi_extra or {}
    extra.setdefault("parameters", []).append(
        {
            "in": "header",
            "name": HEADER,
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]{1,200}$"},
            "description": "A new one for each intent, the same for each retry of it; kept for 7 days. A refusal does not use it up.",
            "example": "order-7731-top-up",
        }
    )
