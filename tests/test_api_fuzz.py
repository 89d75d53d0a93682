"""The API under fire: requests made from its own description, right and wrong, and every answer held against that description.

Schemathesis makes the requests and judges the answers. Here none of them stops the others: all examples of an operation are
asked whatever was found before (as --continue-on-failure), since the first finding may hide a worse one.
"""

import json
import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from unittest.mock import patch

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from billing.api import api
from usage.api import events
from usage.cloud_events import PLAIN_JSON, Parsed
from usage.services.ingestion import Outcome, Reporter, take_events
from usage.tests.stage import METERS, US, Metering
from wallet.models import PaymentLink
from wallet.services.payment_links import request_payment_link
from wallet.tests.books import assert_books_balance
from wallet.tests.builders import DOLLAR, paid_top_up
from workspaces.api.problems import CODES
from workspaces.tests.api_caller import new_key

pytestmark = pytest.mark.django_db

EXAMPLES = 25
"""Requests for each operation, and each way of making them."""
DESCRIPTION = "/api/v1/openapi.json"
DOCUMENT: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema()))
OPERATIONS = {described["operationId"]: described for methods in DOCUMENT["paths"].values() for described in methods.values()}
METER_KEYS = [key for key, _, _ in METERS]
BINARY_HEADERS = {f"ce-{name}" for name in ("specversion", "id", "source", "type", "subject")}
MEASURES = ("duration_seconds", "quantity", "text")
Case: TypeAlias = schemathesis.Case[Any]
Operation: TypeAlias = schemathesis.APIOperation[Any, Any, Any, Any]
RIGHT, WRONG = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE

MISSHAPEN = {"malformed", "invalid", "unsupported_media_type", "unknown_parameter", "not_cloud_events", "not_a_cloud_event", "bad_data"}
"""Codes which say that a request is not of the shape that is described."""
DELIBERATE = (
    "printable characters",  # A schema has no word for it that every client's library knows.
    "Give a whole number, without quotation marks or decimals",  # To a schema 199.0 is an integer; amounts come as integers alone.
    "got `float` - at `$.data.quantity`",  # The same of a use.
    "Use a name of the IANA database",  # Hundreds, and they change by the year.
    "Give an e-mail address",  # `format: email` says it and binds nobody.
    "Invalid RFC3339 encoded datetime",  # Leap seconds, which `format: date-time` allows.
)
"""What is refused though the schema allows it. People read it in the descriptions."""


def operation_id(case: Case) -> str:
    """As the description names it."""
    return str(case.operation.definition.raw["operationId"])


def stripped(value: Any) -> Any:
    """The body as ordinary operations read it."""
    if isinstance(value, str):
        return value.strip()
    return {name: stripped(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def takes_what_it_describes(context: Any, response: schemathesis.Response, case: Case) -> None:
    """A request of the described shape is never called misshapen; whether it can be done is another matter."""
    if case.meta is None or case.meta.generation.mode is not RIGHT or response.status_code not in (207, 400, 415, 422):
        return
    if operation_id(case) == "report_events" and case.media_type == PLAIN_JSON and not case.headers.keys() >= BINARY_HEADERS:
        return  # No description can make headers required for one content type alone.
    answered = response.json()
    refusals = answered.get("not_charged") or answered.get("errors") or [answered]
    found = [one for one in refusals if one.get("code", answered.get("code")) in MISSHAPEN]
    unexplained = [one["detail"] for one in found if not any(reason in one["detail"] for reason in DELIBERATE)]
    assert not unexplained, unexplained


def describes_what_it_takes(context: Any, response: schemathesis.Response, case: Case) -> None:
    """What was done had the described body, white space around texts aside. Where 207 says what is kept aside, that was not done."""
    described = OPERATIONS[operation_id(case)].get("requestBody")
    if described is None or response.status_code not in (200, 201, 204):
        return
    schema = described["content"][case.media_type]["schema"] | {"components": DOCUMENT["components"]}
    broken = [error.message for error in Draft202012Validator(schema).iter_errors(stripped(case.body))]
    assert not broken, broken


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    takes_what_it_describes,
    describes_what_it_takes,
]


@contextmanager
def in_the_tests_transaction() -> Iterator[None]:
    """As Django's own test client has it: the end of a request does not end the connection."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


@dataclass
class Fire:
    """A workspace with one of everything, and the platform's key. Half of the requests name what there is, the rest anything."""

    metering: Metering
    ids: dict[str, str]

    def faults(self, name: str, mode: schemathesis.GenerationMode) -> dict[str, str]:
        """What is wrong with the operation's answers: each kind of it once, with the request that found it."""
        with in_the_tests_transaction():
            schema = schemathesis.openapi.from_wsgi(DESCRIPTION, app=get_wsgi_application())
            return self._faults(schema.find_operation_by_id(name), mode)

    def _faults(self, operation: Operation, mode: schemathesis.GenerationMode) -> dict[str, str]:
        found: dict[str, str] = {}

        @hypothesis.settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(mode), data=st.data())
        def ask(case: Case, data: st.DataObject) -> None:
            if data.draw(st.booleans()):
                self.aim(case, data)
            response = case.call(headers={"Authorization": f"Bearer {self.metering.platform.secret}"})
            try:
                case.validate_response(response, checks=CHECKS)
            except FailureGroup as group:
                for failure in group.exceptions:
                    found.setdefault(f"{response.status_code} {type(failure).__name__}", f"{failure}\n{case.as_curl_command()}")

        ask()
        return found

    # ---------------------------------------------------------------- aiming
    def aim(self, case: Case, data: st.DataObject) -> None:
        """Put what there is where the description leaves anything open."""
        for place in (case.path_parameters, case.query, case.body):
            if isinstance(place, MutableMapping):
                self._name(place, data)
        if "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = new_key()
        if operation_id(case) == "report_events":
            self._aim_events(case, data)

    def _name(self, place: MutableMapping[str, Any], data: st.DataObject) -> None:
        for name in place.keys() & self.ids.keys():
            place[name] = self.ids[name]
        if "meter" in place:
            place["meter"] = data.draw(st.sampled_from(METER_KEYS))
        if place.get("destination"):
            place["destination"] = US

    def _aim_events(self, case: Case, data: st.DataObject) -> None:
        """Events that can be charged, but for whatever else is wrong with them. In binary mode their attributes are headers."""
        if case.media_type == PLAIN_JSON:
            case.headers.update({f"ce-{name}": value for name, value in self._attributes(data).items()})
            _make_chargeable(case.body)
            return
        for event in case.body if isinstance(case.body, list) else [case.body]:
            if isinstance(event, dict) and "specversion" in event:
                event.pop("time", None)
                event.update(self._attributes(data))
                _make_chargeable(event.get("data"))

    def _attributes(self, data: st.DataObject) -> dict[str, str]:
        meter = data.draw(st.sampled_from(METER_KEYS))
        return {"specversion": "1.0", "source": "/fire", "id": new_key(), "type": meter, "subject": self.metering.subject}


def _make_chargeable(data: Any) -> None:
    """Printable words, a number that can be called, no hold, and one measure that fits every meter."""
    if not isinstance(data, dict):
        return
    for name in ("agent", "description"):
        if isinstance(data.get(name), str):
            data[name] = re.sub(r"[^ -~]", "x", data[name])
    for name in ("hold", "answered", *MEASURES):
        data.pop(name, None)
    data |= {"to": US, "from": US, "quantity": 1}


@pytest.fixture
def fire(metering: Metering, settings: Any) -> Iterator[Fire]:
    """The books must balance when it is over."""
    settings.ALLOWED_HOSTS = ["localhost", "testserver"]
    metering.leave(1000 * DOLLAR)
    top_up = paid_top_up(metering.wallet, 20 * DOLLAR)
    link = request_payment_link(metering.wallet, purpose=PaymentLink.Purpose.CONNECT_CARD, request_id="r", requested_by=None)
    hold = metering.hold(key=new_key()).body["hold"]
    yield Fire(metering, {"subject": metering.subject, "link_id": str(link.pk), "top_up_id": str(top_up.pk), "hold_id": hold})
    assert_books_balance()


@pytest.mark.parametrize("mode", [RIGHT, WRONG], ids=["right", "wrong"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_answers_as_it_is_described(fire: Fire, operation: str, mode: schemathesis.GenerationMode) -> None:
    """S24: no server error, no answer that the description does not have, and no difference in what is taken."""
    found = fire.faults(operation, mode)

    assert not found, "\n\n".join(f"{kind}: {words}" for kind, words in found.items())


# ---------------------------------------------------------------- otherwise a clean run would prove nothing
def test_it_finds_a_fault_that_only_some_requests_meet(fire: Fire) -> None:
    def faulty(parsed: list[Parsed], *, reporter: Reporter) -> list[Outcome]:
        if any(one.event is not None and one.event.data.agent for one in parsed):
            raise ZeroDivisionError
        return take_events(parsed, reporter=reporter)

    with patch.object(events, "take_events", faulty):
        found = fire.faults("report_events", RIGHT)

    assert "500 ServerError" in found


def test_it_finds_an_answer_that_is_not_described(fire: Fire) -> None:
    with patch.dict(CODES, {"not_found": replace(CODES["not_found"], status=410)}):
        found = fire.faults("get_hold", RIGHT)

    assert "410 UndefinedStatusCode" in found


def test_it_finds_what_is_taken_and_not_described(fire: Fire) -> None:
    with patch.dict(DOCUMENT["components"]["schemas"]["UseIn"], {"maxProperties": 2}):
        found = fire.faults("place_hold", RIGHT)

    assert "201 CustomFailure" in found


def test_it_finds_what_is_described_and_not_taken(fire: Fire) -> None:
    with patch.dict(globals(), {"DELIBERATE": ()}):
        found = fire.faults("place_hold", RIGHT)

    assert "422 CustomFailure" in found


def test_it_reaches_what_there_is(fire: Fire) -> None:
    """The fire does not stop at the door: it charges uses and sets money aside."""
    before = (fire.metering.events, fire.metering.held)

    fire.faults("report_events", RIGHT)
    fire.faults("place_hold", RIGHT)

    assert fire.metering.events > before[0]
    assert fire.metering.held > before[1]
