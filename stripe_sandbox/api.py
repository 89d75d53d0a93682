"""The API over HTTP: key, route, idempotency, faults, one operation in one transaction, Stripe's answer and headers."""

import hashlib
import json
import logging
import re
import time
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest, HttpResponse

from stripe_sandbox import API_VERSION, faults, idempotency, params, routes
from stripe_sandbox.errors import AuthenticationFailed, InvalidRequest, RateLimited, ServerFault, StripeError, UnknownAddress
from stripe_sandbox.expand import expand
from stripe_sandbox.faults import Fault
from stripe_sandbox.store import Sandbox
from stripe_sandbox.transaction import Caller, Document, Transaction, begin, new_id
from stripe_sandbox.wire import drop_connection, hang_up_later

logger = logging.getLogger("stripe_sandbox")

_KEY = re.compile(r"(sk|rk)_test_[A-Za-z0-9_]{8,250}$")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What goes back, and how it came about (for the request log)."""

    status: int
    body: str
    outcome: str = "answered"
    should_retry: bool | None = None
    # Of the first request with this key, where this answer is a replay.
    replayed_from: str = ""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request, understood."""

    sandbox: Sandbox
    operation: routes.Operation
    ids: dict[str, str]
    encoded: str
    caller: Caller
    struck: dict[str, Fault]
    received_at: float

    @property
    def fingerprint(self) -> str:
        where = self.operation.path.format(**self.ids)
        wish = json.dumps(params.unflatten(self.encoded), sort_keys=True)
        return hashlib.sha256(f"{self.operation.method} {where} {wish}".encode()).hexdigest()


def serve(request: HttpRequest, *, sandbox: Sandbox) -> HttpResponse:
    """Answer one request under /v1/."""
    caller = Caller(request_id=new_id("req", length=14), idempotency_key=request.headers.get("Idempotency-Key"))
    try:
        _authenticate(request)
        call = _understand(request, sandbox=sandbox, caller=caller)
    except StripeError as error:
        return _response(request, _refusal(error), caller=caller)
    _before(request, call)
    answer = _answer(call)
    _log(call, answer)
    _after(request, call)
    return _response(request, answer, caller=caller)


def _authenticate(request: HttpRequest) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        message = "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth."
        raise AuthenticationFailed(message)
    if "_live_" in key:
        raise AuthenticationFailed("This is the Stripe sandbox: it refuses live keys. Use a key that begins with sk_test_ or rk_test_.")
    if not _KEY.match(key):
        raise AuthenticationFailed(f"Invalid API Key provided: {key[:8]}{'*' * 8}")


def _understand(request: HttpRequest, *, sandbox: Sandbox, caller: Caller) -> Call:
    received_at = time.time()
    method, path = str(request.method), request.path
    found = routes.find(method, path)
    if found is None:
        raise UnknownAddress(f"Unrecognized request URL ({method}: {path}).")
    version = request.headers.get("Stripe-Version", API_VERSION)
    if version != API_VERSION:
        raise InvalidRequest(f"Invalid Stripe API version: {version}. The sandbox speaks {API_VERSION} only.")
    if caller.idempotency_key and len(caller.idempotency_key) > idempotency.KEY_LENGTH_MAX:
        raise InvalidRequest(f"Idempotency keys must be at most {idempotency.KEY_LENGTH_MAX} characters.")
    operation, ids = found
    if operation.method != "POST":
        caller = replace(caller, idempotency_key=None)
    encoded = request.body.decode(errors="replace") if operation.method == "POST" else request.META.get("QUERY_STRING", "")
    with sandbox.store.transaction() as connection:
        struck = faults.take(connection, name=operation.name, kinds=faults.REQUEST_KINDS, dice=sandbox.dice)
    return Call(sandbox=sandbox, operation=operation, ids=ids, encoded=encoded, caller=caller, struck=struck, received_at=received_at)


def _before(request: HttpRequest, call: Call) -> None:
    """Faults that strike before anything is done. May not return."""
    if fault := call.struck.get("delay_before"):
        time.sleep(fault.seconds)
    if "drop_before" in call.struck:
        _log(call, Answer(status=0, body="", outcome="dropped before processing"))
        drop_connection(request)


def _after(request: HttpRequest, call: Call) -> None:
    """Faults that strike once everything is done. May not return."""
    if fault := call.struck.get("delay_after"):
        time.sleep(fault.seconds)
    if fault := call.struck.get("hang_after"):
        hang_up_later(request, seconds=fault.seconds)
    if "reset_after" in call.struck:
        drop_connection(request)


def _answer(call: Call) -> Answer:
    key = call.caller.idempotency_key
    try:
        if "rate_limit" in call.struck:
            raise RateLimited("Request rate limit exceeded. Learn more about rate limits.", code="rate_limit")
        if "conflict" in call.struck:
            raise idempotency.in_use(str(key))
        if key:
            saved = idempotency.claim(call.sandbox.store, key, fingerprint=call.fingerprint, request_id=str(call.caller.request_id))
            if saved:
                is_final = None if saved["status"] < 400 else False
                return Answer(
                    status=saved["status"], body=saved["body"], outcome="replayed", should_retry=is_final, replayed_from=saved["request_id"]
                )
    except StripeError as error:
        return _refusal(error)
    if fault := call.struck.get("delay_during"):
        # The key is taken and nothing is done yet: a second request with it meets a 409.
        time.sleep(fault.seconds)
    try:
        return _execute(call)
    except StripeError as error:
        # A parameter was wrong: the operation never began, and the key is as good as new.
        idempotency.release(call.sandbox.store, key)
        return _refusal(error)
    except Exception:  # Whatever it is, it is none of the faults that were asked for, but ours: the caller gets Stripe's 500.
        # The key is freed, as nothing was done.
        logger.exception("%s failed", call.operation.name)
        idempotency.release(call.sandbox.store, key)
        return _refusal(ServerFault("The Stripe sandbox itself failed; see its log."))


def _execute(call: Call) -> Answer:
    """The operation, its answer and the saved copy of that answer, in one transaction. Raises InvalidRequest before it begins, unsaved."""
    wish = params.read(params.unflatten(call.encoded), call.operation.fields, required=call.operation.required)
    fault = call.struck.get("error_before") or call.struck.get("error_after")
    is_saved = fault is None or fault.saved
    with begin(call.sandbox, caller=call.caller) as tx:
        if "error_before" not in call.struck:
            answer = _run(tx, call, wish)
        if fault:
            answer = _server_fault(is_saved=is_saved)
        if call.caller.idempotency_key:
            idempotency.finish(tx.connection, call.caller.idempotency_key, status=answer.status, body=answer.body, is_saved=is_saved)
        return answer


def _run(tx: Transaction, call: Call, wish: Document) -> Answer:
    """An operation that began has an answer that is saved, be it a refusal; only a card's decline leaves anything behind besides."""
    tx.connection.execute("SAVEPOINT operation")
    try:
        document = call.operation.run(tx, wish, **call.ids)
        return Answer(status=200, body=_json(expand(tx, document, paths=wish.get("expand", []))))
    except StripeError as error:
        if not error.keeps_effects:
            tx.connection.execute("ROLLBACK TO operation")
        return _refusal(error)


def _server_fault(*, is_saved: bool) -> Answer:
    # Asking again is useless where the key replays it: Stripe tells its SDKs so.
    refusal = _refusal(ServerFault("An unknown error occurred"))
    return replace(refusal, outcome="500 asked for by a fault", should_retry=False if is_saved else None)


def _refusal(error: StripeError) -> Answer:
    return Answer(status=error.status, body=_json(error.body()), outcome=error.code or error.type, should_retry=error.should_retry)


def _json(body: Document) -> str:
    return json.dumps(body, indent=2)


def _log(call: Call, answer: Answer) -> None:
    with call.sandbox.store.transaction() as connection:
        connection.execute(
            "INSERT INTO request_log (request_id, operation, path, idempotency_key, status, outcome, received_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                call.caller.request_id,
                call.operation.name,
                call.operation.path.format(**call.ids),
                call.caller.idempotency_key,
                answer.status,
                answer.outcome,
                call.received_at,
            ),
        )


def _response(request: HttpRequest, answer: Answer, *, caller: Caller) -> HttpResponse:
    headers: dict[str, Any] = {"Request-Id": caller.request_id, "Stripe-Version": API_VERSION}
    if caller.idempotency_key:
        headers["Idempotency-Key"] = caller.idempotency_key
    if answer.replayed_from:
        headers["Idempotent-Replayed"] = "true"
        headers["Original-Request"] = answer.replayed_from
    if answer.should_retry is not None:
        headers["Stripe-Should-Retry"] = "true" if answer.should_retry else "false"
    return HttpResponse(answer.body, status=answer.status, content_type="application/json", headers=headers)
