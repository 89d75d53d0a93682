"""The platform makes one customer many times at once: one workspace, one wallet, one invitation, and no fault."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from wallet.models import Wallet
from workspaces.models import Invitation, Workspace
from workspaces.tests.api_caller import Answer, Caller, caller

PARALLEL = 20
CUSTOMER = {"external_id": "customer-1042", "name": "Acme", "currency": "usd", "owner_email": "owner@acme.example"}


def make_at_once() -> list[Answer]:
    secret = caller(None).secret

    def make(_: int) -> Answer:
        try:
            return Caller(secret).post("/workspaces", CUSTOMER)
        finally:
            connection.close()

    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(make, range(PARALLEL)))


def test_it_makes_one_workspace_however_many_ask_at_once(transactional_db: None) -> None:
    answers = make_at_once()

    assert sorted(answer.status for answer in answers) == [200] * (PARALLEL - 1) + [201]
    assert len({answer.raw for answer in answers}) == 1
    assert (Workspace.objects.count(), Wallet.objects.count(), Invitation.objects.count()) == (1, 1, 1)


def test_it_would_fail_those_who_come_second_if_it_looked_before(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: look, then make. The unique id still keeps it to one workspace, and all others are answered with a fault."""

    def look_then_make(external_id: str, *, name: str, time_zone: str) -> tuple[Workspace, bool]:
        found = Workspace.objects.filter(external_id=external_id).first()
        values: dict[str, Any] = {"external_id": external_id, "name": name, "time_zone": time_zone}
        return (found, False) if found else (Workspace.objects.create(**values), True)

    monkeypatch.setattr("workspaces.services.provide_workspace", look_then_make)

    answers = make_at_once()

    assert 500 in {answer.status for answer in answers}
    assert Workspace.objects.count() == 1
