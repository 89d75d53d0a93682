"""Every operation of the API's description, and how each is asked: what tests that go through all of them stand on."""

import json
from dataclasses import dataclass, field
from typing import Any

from billing.api import api
from wallet.models import PaymentLink
from wallet.services.payment_links import request_payment_link
from wallet.tests.builders import DOLLAR, make_wallet, paid_top_up
from workspaces.models import Workspace
from workspaces.tests.api_caller import ROOT, Answer, Caller, caller, new_key


@dataclass(frozen=True)
class Way:
    """How an operation is asked. `names` is where the workspace stands: in the path, in the query or in the body."""

    names: str = "path"
    body: dict[str, Any] = field(default_factory=dict)
    query: str = ""


METER = "call_out"
EVENT = {"specversion": "1.0", "id": "e1", "source": "/calls", "type": METER, "data": {"duration_seconds": 60}}
WAYS = {
    "get_workspace": Way(),
    "get_wallet": Way(),
    "list_transactions": Way(),
    "create_payment_link": Way(body={"purpose": "connect_card"}),
    "list_payment_links": Way(),
    "get_payment_link": Way(),
    "withdraw_link": Way(),
    "get_top_up": Way(),
    "place_hold": Way(names="body", body={"meter": METER}),
    "extend_hold": Way(names="body", body={"by_quantity": 60}),
    "capture_hold": Way(names="body", body={"quantity": 60}),
    "release": Way(names="body"),
    "get_hold": Way(names="query"),
    "list_holds": Way(),
    "list_budgets": Way(),
    "put_budget": Way(body={"scope": "agent", "value": "Sales", "monthly_cap_micros": 50 * DOLLAR}),
    "look_at_gate": Way(names="query", query=f"meter={METER}"),
}
OF_THE_PLATFORM = {"create_workspace"}
"""Refused to a workspace's key altogether."""
BY_EVENT = {"report_events"}
"""Takes any subject, and keeps aside what is out of reach; see test_api_reach."""

DESCRIBED: dict[str, tuple[str, str]] = {
    described["operationId"]: (method.upper(), path.removeprefix(ROOT))
    for path, methods in api.get_openapi_schema()["paths"].items()
    for method, described in methods.items()
}


@dataclass(frozen=True)
class Tenant:
    """A workspace with one of everything, and its key."""

    workspace: Workspace
    ids: dict[str, str]
    key: Caller


def tenant(name: str) -> Tenant:
    """Needs the default prices."""
    wallet = make_wallet(name=name)
    top_up = paid_top_up(wallet, 20 * DOLLAR)
    key = caller(wallet.workspace)
    hold = key.post("/holds", {"subject": wallet.workspace.public_id, "meter": METER, "destination": "+14155550142"}, key=new_key())
    link = request_payment_link(wallet, purpose=PaymentLink.Purpose.CONNECT_CARD, request_id="r", requested_by=None)
    ids = {"link_id": str(link.pk), "top_up_id": str(top_up.pk), "hold_id": hold.body["hold"]}
    return Tenant(wallet.workspace, ids, key)


def ask(operation: str, *, by: Caller, subject: str, ids: dict[str, str]) -> Answer:
    """Ask the operation about the workspace, by the ids that its path wants."""
    (method, path), way = DESCRIBED[operation], WAYS[operation]
    path = path.format(subject=subject, **ids)
    if way.names == "query":
        path = f"{path}?subject={subject}&{way.query}"
    body = way.body | ({"subject": subject} if way.names == "body" else {})
    return by.send(method, path, body=json.dumps(body) if method != "GET" else "", headers={"Idempotency-Key": new_key()})
