"""Endpoints: made within limits, their secrets sealed, rotated, revealed and wiped."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as product
from django.db import connection

from tests.payments import Alerts
from wallet.errors import EndpointDisabled, SecretLost, TargetRefused, TooManyEndpoints
from wallet.models import Delivery, EventType, Notice, WebhookEndpoint
from wallet.services import webhook_endpoints
from wallet.services.signing_secrets import new_secret, seal, unseal
from wallet.services.webhook_endpoints import (
    ENDPOINTS_MAX,
    add_endpoint,
    change_endpoint,
    remove_endpoint,
    reveal_secret,
    rotate_secret,
    secrets_of,
    send_test,
    switch_off,
    switch_on,
    tidy_secrets,
)
from wallet.tests.builders import make_wallet
from wallet.tests.hooks import pass_time
from wallet.tests.receiver import Names, made_up_names
from workspaces.models import AuditEntry, Membership, Role, User, Workspace
from workspaces.tests.threads import at_once

pytestmark = pytest.mark.django_db

URL = "https://hooks.example.com/"


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    with made_up_names(monkeypatch) as names:
        names.lead_to |= {"hooks.example.com": [["1.1.1.1"]], "inside.example.com": [["10.0.0.1"]], "nowhere.example.com": [[]]}
        yield names


@pytest.fixture
def workspace() -> Workspace:
    return make_wallet(name="Acme Calls").workspace


def add(workspace: Workspace | None, url: str = URL) -> webhook_endpoints.NewEndpoint:
    return add_endpoint(workspace, url=url, description="Dialler", event_types=[EventType.DEPLETED], created_by=None)


def fresh(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    return WebhookEndpoint.objects.get(pk=endpoint.pk)


def test_it_makes_an_endpoint_with_a_secret_of_its_own(workspace: Workspace) -> None:
    made = add(workspace)

    assert (made.endpoint.workspace, made.endpoint.event_types, made.endpoint.is_active) == (workspace, ["wallet.depleted"], True)
    assert made.secret.startswith("whsec_")
    assert reveal_secret(fresh(made.endpoint)) == made.secret != add(workspace).secret


@pytest.mark.parametrize(
    "url", ["https://inside.example.com/", "https://nowhere.example.com/", "https://127.0.0.1/", "http://hooks.example.com/"]
)
def test_it_makes_none_where_nothing_could_be_sent(workspace: Workspace, url: str) -> None:
    with pytest.raises(TargetRefused):
        add(workspace, url)
    endpoint = add(workspace).endpoint
    with pytest.raises(TargetRefused):
        change_endpoint(endpoint, url=url, description="", event_types=[])

    assert fresh(endpoint).url == URL


def test_it_makes_them_inside_where_the_operator_allows_it(workspace: Workspace, settings: Any) -> None:
    settings.WEBHOOKS_ALLOW_PRIVATE_TARGETS = True

    assert add(workspace, "https://inside.example.com:8443/").endpoint.pk
    assert add(workspace, "http://127.0.0.1:8000/").endpoint.pk


def test_it_makes_so_many_and_counts_no_removed_ones(workspace: Workspace) -> None:
    made = [add(workspace) for _ in range(ENDPOINTS_MAX)]
    with pytest.raises(TooManyEndpoints):
        add(workspace)
    add(make_wallet(name="Other").workspace)
    add(None)
    remove_endpoint(made[0].endpoint)

    assert add(workspace).endpoint.pk


@pytest.mark.django_db(transaction=True)
def test_it_makes_no_more_when_many_ask_at_once(workspace: Workspace) -> None:
    for _ in range(ENDPOINTS_MAX - 1):
        add(workspace)

    outcomes = at_once([lambda: add(workspace)] * 6)

    assert sum(isinstance(outcome, TooManyEndpoints) for outcome in outcomes) == 5
    assert WebhookEndpoint.objects.count() == ENDPOINTS_MAX


def test_it_keeps_no_secret_that_could_be_read(workspace: Workspace) -> None:
    made = add(workspace)
    rotated = rotate_secret(made.endpoint)

    with connection.cursor() as cursor:
        cursor.execute("SELECT wallet_webhookendpoint::text FROM wallet_webhookendpoint")
        (row,) = cursor.fetchone()
    for secret in (made.secret, rotated):
        assert secret.removeprefix("whsec_")[:12] not in row


def test_it_opens_secrets_by_the_fallback_and_seals_them_anew(workspace: Workspace, settings: Any) -> None:
    made = add(workspace)
    rotated = rotate_secret(made.endpoint)
    settings.SECRET_KEY_FALLBACKS = [product.SECRET_KEY]
    settings.SECRET_KEY = "the key of tomorrow"
    assert secrets_of(fresh(made.endpoint)) == [rotated, made.secret]

    tidy_secrets()
    settings.SECRET_KEY_FALLBACKS = []

    assert secrets_of(fresh(made.endpoint)) == [rotated, made.secret]


def test_it_changes_no_seal_that_is_of_today(workspace: Workspace) -> None:
    sealed = add(workspace).endpoint.secret_sealed

    tidy_secrets()

    assert WebhookEndpoint.objects.get().secret_sealed == sealed


def test_it_tells_the_operator_of_secrets_that_nothing_opens(workspace: Workspace, settings: Any, alerts: Alerts) -> None:
    lost, kept = add(workspace).endpoint, add(workspace)
    settings.SECRET_KEY = "the key of tomorrow"
    WebhookEndpoint.objects.filter(pk=kept.endpoint.pk).update(secret_sealed=seal(kept.secret))

    tidy_secrets()

    assert alerts() == ["webhook_secret_lost"]
    assert reveal_secret(fresh(kept.endpoint)) == kept.secret
    with pytest.raises(SecretLost):
        reveal_secret(fresh(lost))
    secret = rotate_secret(lost)
    assert secrets_of(fresh(lost)) == [secret], "what nothing opens does not keep the new one from signing"
    tidy_secrets()
    assert alerts() == ["webhook_secret_lost"]


def test_it_wipes_the_old_secret_once_its_time_is_over(workspace: Workspace) -> None:
    made = add(workspace)
    rotate_secret(made.endpoint)
    tidy_secrets()
    assert fresh(made.endpoint).previous_secret_sealed

    pass_time(hours=25)
    tidy_secrets()

    assert (fresh(made.endpoint).previous_secret_sealed, fresh(made.endpoint).previous_secret_until) == ("", None)


def test_it_lets_go_of_a_secret_at_once_that_others_know(workspace: Workspace) -> None:
    made = add(workspace)

    fresh_secret = rotate_secret(made.endpoint, old_signs_on=False)

    assert secrets_of(fresh(made.endpoint)) == [fresh_secret]


def test_it_keeps_no_secret_of_what_was_removed(workspace: Workspace) -> None:
    endpoint = add(workspace).endpoint
    rotate_secret(endpoint)

    remove_endpoint(endpoint)

    assert (fresh(endpoint).secret_sealed, fresh(endpoint).previous_secret_sealed) == ("", "")
    with pytest.raises(EndpointDisabled):
        send_test(fresh(endpoint))


def test_it_begins_anew_when_it_is_switched_on(workspace: Workspace) -> None:
    endpoint = add(workspace).endpoint
    send_test(endpoint)
    WebhookEndpoint.objects.update(failures=7, failing_since="2026-11-01T00:00:00Z", quiet_until="2036-11-01T00:00:00Z")

    assert [switch_off(endpoint) for _ in range(2)] == [True, False]
    assert Delivery.objects.get().last_error
    with pytest.raises(EndpointDisabled):
        send_test(fresh(endpoint))
    switch_on(endpoint)

    endpoint = fresh(endpoint)
    assert (endpoint.is_active, endpoint.disabled_reason, endpoint.failures, endpoint.failing_since) == (True, "", 0, None)
    assert endpoint.quiet_until is None
    assert send_test(endpoint).is_waiting


def test_it_looks_at_a_new_address_alone(workspace: Workspace, names: Names) -> None:
    """Somebody else's name service being away is no reason not to correct a description."""
    endpoint = add(workspace).endpoint
    names.lead_to["hooks.example.com"] = [[]]

    change_endpoint(endpoint, url=URL, description="Call server", event_types=[EventType.PAUSED, EventType.DEPLETED])

    assert (fresh(endpoint).description, fresh(endpoint).event_types) == ("Call server", ["wallet.depleted", "wallet.paused"])


def test_it_makes_secrets_that_have_nothing_in_common() -> None:
    made = {new_secret() for _ in range(50)}

    assert len(made) == 50
    assert all(unseal(seal(secret)) == secret and len(secret) == len("whsec_") + 44 for secret in made)


def test_it_seals_one_secret_differently_every_time() -> None:
    assert seal("whsec_a") != seal("whsec_a")


def test_it_writes_down_who_did_what_and_no_secret(workspace: Workspace) -> None:
    made = add(workspace)
    endpoint = made.endpoint
    change_endpoint(endpoint, url=URL, description="Call server", event_types=[])
    secrets = [made.secret, reveal_secret(fresh(endpoint)), rotate_secret(endpoint)]
    for act in (switch_off, switch_off, switch_on, switch_on, remove_endpoint, remove_endpoint):
        act(endpoint)

    entries = list(AuditEntry.objects.order_by("pk"))
    assert [entry.action.removeprefix("webhook_endpoint.") for entry in entries] == [
        "added",
        "changed",
        "secret_revealed",
        "secret_rotated",
        "switched_off",
        "switched_on",
        "removed",
    ]
    assert {(entry.workspace_id, entry.target) for entry in entries} == {(workspace.pk, URL)}
    assert (entries[1].before["description"], entries[1].after["description"]) == ("Dialler", "Call server")
    written = str([(entry.before, entry.after) for entry in entries])
    assert not any(secret.removeprefix("whsec_")[:12] in written for secret in secrets)


@pytest.mark.parametrize(("reason", "mails"), [("switched_off", 0), ("gone", 1), ("failing", 1)])
def test_it_mails_whose_endpoint_was_switched_off_by_itself(workspace: Workspace, reason: str, mails: int) -> None:
    alice = User.objects.create_user("alice@example.com", "correct horse battery")
    Membership.objects.create(workspace=workspace, user=alice, role=Role.OWNER)
    endpoint = add(workspace).endpoint
    for each in (endpoint, add(None).endpoint, add(Workspace.objects.create(name="Without a wallet")).endpoint):
        assert switch_off(each, reason=WebhookEndpoint.DisabledReason(reason))

    assert [notice.recipient for notice in Notice.objects.all()] == [alice.email] * mails
