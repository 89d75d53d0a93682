"""Who may ask: keys in the header alone, refused alike whatever is wrong with them, and within their rate."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from wallet_billing.logs import redacted
from workspaces import services
from workspaces.api import limits
from workspaces.errors import ApiKeyRefused, TooManyApiKeys
from workspaces.models import ApiKey, Scope, Workspace
from workspaces.services import api_keys
from workspaces.tests.api_caller import Caller, caller

pytestmark = pytest.mark.django_db

HERE = "/wallets/"


@pytest.fixture
def path(workspace: Workspace) -> str:
    """An operation that wants wallet:read."""
    return f"{HERE}{workspace.public_id}"


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens where Redis should be."""
    limits.storage.cache_clear()
    monkeypatch.setattr("django.conf.settings.REDIS_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setattr(limits, "_away_until", 0.0)


@pytest.fixture(autouse=True)
def _forget_redis() -> Any:
    yield
    limits.storage.cache_clear()
    limits._away_until = 0.0


def _revoke(key: ApiKey) -> None:
    services.revoke_api_key(key)


def _expire(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_it_lets_a_valid_key_in(workspace: Workspace, path: str) -> None:
    answer = caller(workspace).get(path)

    assert answer.status == 200
    assert answer.body["workspace"] == workspace.public_id


def test_it_accepts_the_scheme_in_any_case(workspace: Workspace, path: str) -> None:
    asking = caller(workspace)

    assert asking.get(path, Authorization=f"bearer {asking.secret}").status == 200


@pytest.mark.parametrize("end", [_revoke, _expire])
def test_it_refuses_a_key_from_the_moment_it_ends(workspace: Workspace, path: str, end: Callable[[ApiKey], None]) -> None:
    asking = caller(workspace)
    assert asking.api_key is not None
    assert asking.get(path).status == 200

    end(asking.api_key)

    answer = asking.get(path)
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda secret: secret[:-1],
        lambda secret: secret + "x",
        lambda secret: secret.swapcase(),
        lambda secret: secret.upper(),
        lambda secret: secret[:-1] + ("a" if secret[-1] != "a" else "b"),
        lambda secret: secret.replace("wk_test", "wk_live"),
        lambda secret: f" {secret}",
        lambda secret: f"{secret} ",
        lambda secret: f"{secret}, Bearer {secret}",
        lambda secret: "",
        lambda secret: "wk_test_",
        lambda secret: "ü" * 60,
    ],
)
def test_it_refuses_what_is_not_quite_a_key(workspace: Workspace, path: str, spoil: Callable[[str], str]) -> None:
    asking = caller(workspace)
    spoiled = spoil(asking.secret)
    # Django's test client strips nothing: what the server sees is what stands here, except that HTTP trims the header's end.
    answer = asking.get(path, Authorization=f"Bearer {spoiled}")

    assert (answer.status, answer.code) == (401, "unauthenticated")


@pytest.mark.parametrize("header", ["", "Basic {secret}", "Token {secret}", "{secret}", "Bearer"])
def test_it_takes_a_key_as_bearer_alone(workspace: Workspace, path: str, header: str) -> None:
    asking = caller(workspace)

    assert asking.get(path, Authorization=header.format(secret=asking.secret)).code == "unauthenticated"


def test_it_takes_no_session_for_a_key(workspace: Workspace, path: str, signed_in: Callable[[Any], Client]) -> None:
    browser = signed_in(workspace.memberships.get().user)

    assert browser.get(f"/api/v1{path}").status_code == 401


@pytest.mark.parametrize(
    "query", ["api_key={secret}", "key={secret}", "TOKEN=x", "access_token=", "x={secret}", "{secret}=1", "cursor={secret}"]
)
def test_it_refuses_a_key_in_the_address_even_beside_a_good_header(workspace: Workspace, path: str, query: str) -> None:
    asking = caller(workspace)

    answer = asking.get(f"{path}?{query.format(secret=asking.secret)}")

    assert (answer.status, answer.code) == (401, "key_in_address")


def test_it_says_which_scope_is_missing(workspace: Workspace, path: str) -> None:
    answer = caller(workspace, Scope.EVENTS_WRITE).get(path)

    assert (answer.status, answer.code) == (403, "scope_missing")
    assert answer.body["scope"] == "wallet:read"
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_it_refuses_parameters_that_an_operation_does_not_have(workspace: Workspace, path: str) -> None:
    answer = caller(workspace).get(f"{path}/transactions?sinse=2026-01-01T00:00:00Z")

    assert (answer.status, answer.code) == (400, "unknown_parameter")
    assert "since" in answer.body["detail"]


def test_it_finds_a_key_in_one_look_and_notes_its_use_once_a_minute(workspace: Workspace, path: str) -> None:
    asking = caller(workspace)
    asking.get(path)

    with CaptureQueriesContext(
        connection,
    ) as second:
        asking.get(path)

    about_keys = [query["sql"] for query in second if "workspaces_apikey" in query["sql"]]
    assert len(about_keys) == 1
    assert about_keys[0].startswith("SELECT")
    key = ApiKey.objects.get()
    assert key.last_used_at is not None
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {about_keys[0]}")
        assert "Index Scan" in "".join(line for (line,) in cursor.fetchall())


def test_it_notes_a_use_again_after_a_minute(workspace: Workspace, path: str) -> None:
    asking = caller(workspace)
    long_ago = timezone.now() - timedelta(minutes=2)
    ApiKey.objects.update(last_used_at=long_ago)

    asking.get(path)

    last_used_at = ApiKey.objects.get().last_used_at
    assert last_used_at is not None
    assert last_used_at > long_ago


def test_it_keeps_no_secret(workspace: Workspace) -> None:
    asking = caller(workspace)

    kept = ApiKey.objects.values().get()

    assert asking.secret not in str(kept)
    assert asking.secret.split("_", 3)[3] not in str(kept)
    assert asking.secret.startswith(kept["prefix"])


def test_it_writes_no_secret_into_the_log(workspace: Workspace) -> None:
    secret = caller(workspace).secret

    assert secret.split("_", 3)[3] not in redacted(f"GET /api/v1/wallets?x={secret} {secret}")


def test_it_makes_no_key_that_could_not_be() -> None:
    with pytest.raises(ApiKeyRefused):
        services.create_api_key(None, name=" ", scopes=[Scope.WALLET_READ], expires_at=None, created_by=None)
    with pytest.raises(ApiKeyRefused):
        services.create_api_key(None, name="x", scopes=[], expires_at=None, created_by=None)
    with pytest.raises(ApiKeyRefused):
        services.create_api_key(None, name="x", scopes=[Scope.WALLET_READ], expires_at=timezone.now(), created_by=None)


def test_it_gives_a_workspace_no_key_that_makes_workspaces(workspace: Workspace) -> None:
    with pytest.raises(ApiKeyRefused):
        services.create_api_key(workspace, name="x", scopes=[Scope.WORKSPACES_WRITE], expires_at=None, created_by=None)


def test_it_limits_how_many_keys_there_are(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "API_KEYS_MAX", 1)
    first = caller(workspace)
    assert first.api_key is not None

    with pytest.raises(TooManyApiKeys):
        caller(workspace)
    services.revoke_api_key(first.api_key)

    assert caller(workspace).api_key


# ---------------------------------------------------------------- the rate
def test_it_tells_what_is_left_of_the_rate(workspace: Workspace, path: str) -> None:
    asking = caller(workspace)

    first, second = asking.get(path), asking.get(path)

    assert first.headers["RateLimit-Policy"] == f'"requests";q={limits.REQUESTS.quota};w=60'
    left = [int(answer.headers["RateLimit"].split(";")[1].removeprefix("r=")) for answer in (first, second)]
    assert left == [limits.REQUESTS.quota - 1, limits.REQUESTS.quota - 2] or left[1] == limits.REQUESTS.quota - 1


def test_it_refuses_what_is_over_the_rate_and_says_how_long_to_wait(
    workspace: Workspace, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "time", SimpleNamespace(time=lambda: 1_000_000_010.5, monotonic=time.monotonic))
    asking, other = caller(workspace), caller(workspace)
    assert asking.api_key is not None
    limits.storage().incr(f"api/requests/{asking.api_key.pk}/{1_000_000_010 // 60}", 60, amount=limits.REQUESTS.quota - 1)

    last, refused, unaffected = asking.get(path), asking.get(path), other.get(path)

    assert last.status == 200
    assert last.headers["RateLimit"] == '"requests";r=0;t=10'
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert refused.headers["Retry-After"] == "10"
    assert refused.headers["RateLimit"] == '"requests";r=0;t=10'
    assert unaffected.status == 200


def test_it_goes_on_reading_without_redis(workspace: Workspace, path: str, away: None) -> None:
    answer = caller(workspace).get(path)

    assert answer.status == 200
    assert "RateLimit" not in answer.headers


def test_it_makes_no_payment_link_without_redis(workspace: Workspace, path: str, away: None) -> None:
    answer = caller(workspace).post(f"{path}/payment-links", {"purpose": "pay", "amount_micros": 20_000_000}, key="k")

    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert not workspace.wallet.payment_links.exists()


def test_it_leaves_a_redis_that_is_away_alone_for_a_moment(
    workspace: Workspace, path: str, away: None, caplog: pytest.LogCaptureFixture
) -> None:
    asking = caller(workspace)

    with caplog.at_level(logging.WARNING):
        asking.get(path)
        asking.get(path)

    assert caplog.text.count("api_requests_uncounted") == 1


# ---------------------------------------------------------------- refusals that are not the API's own
def test_it_answers_problems_where_there_is_nothing(workspace: Workspace, path: str) -> None:
    asking = caller(workspace)

    assert asking.get("/nothing/here").code == "not_found"
    wrong = asking.send("DELETE", path)
    assert (wrong.status, wrong.code, wrong.headers["Allow"]) == (405, "method_not_allowed", "GET")


def test_it_answers_a_fault_without_telling_of_it(workspace: Workspace, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr("wallet.api.wallet_status", fail)

    answer = caller(workspace).get(path)

    assert (answer.status, answer.code) == (500, "error")
    assert b"secret of the house" not in answer.raw


def test_it_speaks_no_api_over_plain_http_where_the_site_has_tls(workspace: Workspace, path: str, settings: Any) -> None:
    settings.SERVED_OVER_HTTPS = True

    answer = caller(workspace).get(path)

    assert answer.status == 403
    assert answer.body["code"] == "https_required"


def test_it_is_the_same_answer_for_what_is_not_there_and_what_is_not_yours(workspace: Workspace, charlie: Any) -> None:
    theirs = charlie.workspaces.get()
    asking = caller(workspace)

    out_of_reach, unknown = asking.get(f"{HERE}{theirs.public_id}"), asking.get(f"{HERE}ws_{'0' * 24}")

    assert (out_of_reach.status, out_of_reach.raw) == (unknown.status, unknown.raw)
    assert out_of_reach.code == "not_found"


@pytest.mark.parametrize("subject", ["%00", "ws_%00", "a%0Ab", "%ED%A0%80", "ws_" + "ü", "x" * 300, "..", "ws_", "%2F", "'"])
def test_it_knows_no_workspace_by_a_strange_name(workspace: Workspace, subject: str) -> None:
    assert caller(workspace).get(f"{HERE}{subject}").status == 404


def test_it_finds_a_workspace_by_either_id(workspace: Workspace) -> None:
    Workspace.objects.filter(pk=workspace.pk).update(external_id="customer-7")
    own, platform = caller(workspace), caller(None)

    for asking in (own, platform):
        for subject in (workspace.public_id, "customer-7"):
            assert asking.get(f"{HERE}{subject}").body["workspace"] == workspace.public_id


def test_it_stops_a_caller_without_a_key(path: str, db: None) -> None:
    assert Caller("").get(path).code == "unauthenticated"
