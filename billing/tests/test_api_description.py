"""The API's description: complete, true to what is answered, and readable as a page."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from billing.api import api
from billing.templatetags.reference import code_words
from billing.tests.api_operations import DESCRIBED, EVENT, WAYS, Tenant, ask, tenant
from usage.services.default_prices import seed_default_prices
from wallet.models import Wallet
from workspaces.api.problems import CODES
from workspaces.api.reference import sections
from workspaces.tests.api_caller import ROOT, Answer, Caller, caller, new_key

DOCUMENT: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema()))
OPERATIONS = {operation["operationId"]: operation for methods in DOCUMENT["paths"].values() for operation in methods.values()}


@pytest.fixture
def alice(db: None) -> Tenant:
    seed_default_prices()
    return tenant("Alice's Bakery")


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def resolved(reference: str) -> Any:
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def check(answer: Answer, operation: str) -> None:
    """The answer is one that the description promises: its status, its content type, its shape, and its code if it is a refusal."""
    described = OPERATIONS[operation]["responses"][str(answer.status)]
    described = resolved(described["$ref"]) if "$ref" in described else described
    content = described.get("content", {})
    if not content:
        assert answer.raw == b""
        return
    (content_type,) = content
    assert answer.headers["Content-Type"].partition(";")[0] == content_type
    schema = content[content_type]["schema"] | {"components": DOCUMENT["components"]}
    assert [error.message for error in Draft202012Validator(schema).iter_errors(answer.body)] == []
    if answer.status >= 400:
        assert answer.code in content[content_type]["examples"]


# ---------------------------------------------------------------- the document
def test_it_is_served_as_json_to_anyone(client: Client) -> None:
    response = client.get(f"{ROOT}/openapi.json")

    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert json.loads(response.content) == DOCUMENT


def test_it_refers_to_nothing_that_is_not_there() -> None:
    references = [node["$ref"] for node in nodes(DOCUMENT) if isinstance(node.get("$ref"), str)]

    assert references
    assert all(resolved(reference) for reference in references)


def test_its_schemas_are_schemas() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        validator_for(schema, default=Draft202012Validator).check_schema(schema)


def test_it_loses_no_limit_on_the_way_from_the_code() -> None:
    # What pydantic cannot place it writes as it stands in Python, where no client looks.
    misplaced = [node for node in nodes(DOCUMENT) if node.keys() & {"gt", "ge", "lt", "le", "max_length", "min_length", "strict"}]

    assert misplaced == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_describes_each_operation(name: str) -> None:
    operation = OPERATIONS[name]

    assert operation["description"]
    assert re.fullmatch(r"[A-Z][a-z -]+", operation["summary"]), f"give it a summary in sentence case: {operation['summary']}"
    assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    assert operation["security"] == [{"BearerKey": [operation["x-scope"]]}]
    for parameter in operation["parameters"]:
        assert parameter["description"], parameter["name"]
        assert "examples" not in parameter
    assert {"401", "403", "429", "500", "503"} <= operation["responses"].keys()


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if "requestBody" in operation])
def test_it_gives_examples_that_its_own_schemas_allow(name: str) -> None:
    described = next(each for section in sections(DOCUMENT) for each in section.operations if each.id == name)
    content = OPERATIONS[name]["requestBody"]["content"]

    for body in described.bodies:
        schema = content[body.content_type]["schema"] | {"components": DOCUMENT["components"]}
        assert [error.message for error in Draft202012Validator(schema).iter_errors(json.loads(body.example))] == []


# ---------------------------------------------------------------- true to what is answered
@pytest.mark.parametrize("operation", WAYS)
def test_it_tells_what_each_operation_answers(alice: Tenant, operation: str) -> None:
    subject = alice.workspace.public_id
    good = ask(operation, by=alice.key, subject=subject, ids=alice.ids)
    nobody = ask(operation, by=Caller(""), subject=subject, ids=alice.ids)
    nowhere = ask(operation, by=alice.key, subject="nobody", ids=alice.ids)
    mistyped = alice.key.get(f"{DESCRIBED[operation][1].format(subject=subject, **alice.ids)}?nonsense=1")

    assert good.status < 300
    assert (nobody.status, nowhere.status) == (401, 404)
    for answer in (good, nobody, nowhere):
        check(answer, operation)
    if DESCRIBED[operation][0] == "GET":
        assert mistyped.status == 400
        check(mistyped, operation)


BODIES = ["{", "[]", "{}", '{"tenant_id": 1}', "null", '"x"', "1e999", "", "[" * 9999]


@pytest.mark.parametrize("operation", [name for name in WAYS if "requestBody" in OPERATIONS[name]])
def test_it_tells_how_each_operation_refuses_what_it_cannot_read(alice: Tenant, operation: str) -> None:
    method, path = DESCRIBED[operation]
    path = path.format(subject=alice.workspace.public_id, **alice.ids)

    def send(body: str, content_type: str = "application/json") -> Answer:
        return alice.key.send(method, path, body=body, content_type=content_type, headers={"Idempotency-Key": new_key()})

    answers = [*map(send, BODIES), send("{}", "text/plain"), send(" " * 100_000)]

    assert {answer.status for answer in answers} == {400, 413, 415, 422}
    for answer in answers:
        check(answer, operation)


def test_it_tells_what_is_answered_to_a_workspace_and_to_events(alice: Tenant) -> None:
    platform = caller(None)
    workspace = {"external_id": "customer-1042", "name": "Acme", "currency": "usd"}
    event = EVENT | {"subject": alice.workspace.public_id}

    for status, body in (
        (201, workspace),
        (200, workspace),
        (409, workspace | {"currency": "eur"}),
        (422, workspace | {"external_id": "ws_1"}),
    ):
        answer = platform.post("/workspaces", body)
        assert answer.status == status
        check(answer, "create_workspace")
    for status, batch in ((204, [event]), (207, [event | {"id": "e2", "type": "nothing"}]), (400, {})):
        answer = platform.send("POST", "/events", body=json.dumps(batch), content_type="application/cloudevents-batch+json")
        assert answer.status == status
        check(answer, "report_events")


def test_it_tells_how_a_hold_is_refused(alice: Tenant) -> None:
    Wallet.objects.update(balance_micros=0)

    answer = ask("place_hold", by=alice.key, subject=alice.workspace.public_id, ids=alice.ids)

    assert (answer.status, answer.code) == (402, "insufficient_funds")
    check(answer, "place_hold")


# ---------------------------------------------------------------- as a page
def test_it_shows_every_operation_and_every_code_to_anyone(client: Client, db: None) -> None:
    page = client.get("/docs/api").content.decode()

    for name, operation in OPERATIONS.items():
        assert f'id="{name}"' in page
        assert operation["summary"] in page
    for code in CODES:
        assert f'id="problem-{code}"' in page


def test_it_points_each_problem_to_its_place_on_the_page(client: Client, alice: Tenant) -> None:
    problem = Caller("").get(f"/wallets/{alice.workspace.public_id}").body

    address, _, place = problem["type"].removeprefix("http://testserver").partition("#")
    assert f'id="{place}"' in client.get(address).content.decode()


def test_it_writes_descriptions_as_text() -> None:
    assert code_words("`<b>` & <script>") == "<code>&lt;b&gt;</code> &amp; &lt;script&gt;"
