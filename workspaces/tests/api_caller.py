"""Speaks to the API as a platform would: a key, a path, a body."""

import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from django.test import Client

from workspaces import services
from workspaces.models import PLATFORM_SCOPES, ApiKey, Scope, Workspace

ROOT = "/api/v1"
_numbers = count(1)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        """The problem's code; it must be a problem."""
        assert self.headers["Content-Type"] == "application/problem+json", (self.status, self.raw)
        problem = self.body
        assert problem["status"] == self.status
        assert problem["type"].endswith(f"#problem-{problem['code']}")
        assert problem["title"]
        assert problem["detail"]
        return str(problem["code"])


@dataclass(frozen=True)
class Caller:
    """One key's way in. A fault in the product is an answer here too, as it is for a caller."""

    secret: str
    api_key: ApiKey | None = None
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        """With an Idempotency-Key where one is given; each call to `new_key` makes a new one."""
        return self.send("POST", path, body=json.dumps(body) if body is not None else "", headers={"Idempotency-Key": key} if key else {})

    def send(
        self,
        method: str,
        path: str,
        *,
        body: str | bytes = "",
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = {"Authorization": f"Bearer {self.secret}", **(headers or {})}
        response = self.client.generic(method, f"{ROOT}{path}", data=body, content_type=content_type, headers=sent)
        return Answer(response.status_code, dict(response.headers), response.content)


def new_key() -> str:
    """An Idempotency-Key that nobody has used."""
    return f"intent-{next(_numbers)}"


def caller(workspace: Workspace | None, *scopes: Scope) -> Caller:
    """A caller with a key of the workspace, or with None of the platform; with every scope there is unless some are named."""
    possible = [scope for scope in Scope if workspace is None or scope not in PLATFORM_SCOPES]
    new = services.create_api_key(workspace, name="tests", scopes=scopes or possible, expires_at=None, created_by=None)
    return Caller(new.secret, new.api_key)
