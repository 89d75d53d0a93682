"""The platform's own endpoints, by `manage.py webhook_endpoint`."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from wallet.models import Delivery, Wallet, WebhookEndpoint
from wallet.services.webhook_endpoints import reveal_secret, secrets_of
from wallet.tests.hooks import endpoint_of, tell, work
from wallet.tests.receiver import made_up_names, running_receiver

pytestmark = pytest.mark.django_db

URL = "https://platform.example.com/webhooks"


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with made_up_names(monkeypatch) as names:
        names.lead_to["platform.example.com"] = [["1.1.1.1"]]
        yield


def run(*arguments: object) -> tuple[str, str]:
    """What the command prints, and what it says beside."""
    out, beside = StringIO(), StringIO()
    call_command("webhook_endpoint", *map(str, arguments), stdout=out, stderr=beside)
    return out.getvalue().strip(), beside.getvalue().strip()


def added() -> WebhookEndpoint:
    run("add", URL)
    return WebhookEndpoint.objects.get()


def test_it_adds_an_endpoint_and_prints_its_secret_alone(wallet: Wallet) -> None:
    secret, beside = run("add", URL, "--event", "wallet.paused", "--event", "wallet.depleted", "--description", "Dialler")

    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.workspace, endpoint.description, reveal_secret(endpoint)) == (None, "Dialler", secret)
    assert "hears of wallet.depleted, wallet.paused" in beside


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "https://127.0.0.1/"], "not public"),
        (["add", "http://platform.example.com/"], "begins with https://"),
        (["add", "nonsense"], "begins with https://"),
        (["add", URL, "--event", "test.ping"], "invalid choice"),
        (["disable", "99"], "no endpoint 99"),
        (["disable", "x"], "invalid int value"),
        (["explode"], "invalid choice"),
        ([], "required"),
    ],
)
def test_it_says_what_is_wrong(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run(*arguments)

    assert not WebhookEndpoint.objects.exists()


def test_it_touches_no_endpoint_of_a_workspace(wallet: Wallet) -> None:
    theirs = endpoint_of(wallet.workspace, URL).endpoint

    for act in ("disable", "remove", "rotate", "test", "resend", "enable"):
        with pytest.raises(CommandError, match="no endpoint"):
            run(act, theirs.pk)
    assert run("list")[0] == ""


def test_it_lists_how_each_is() -> None:
    first, second = added(), endpoint_of(None, "https://other.example.com/").endpoint
    WebhookEndpoint.objects.filter(pk=second.pk).update(failing_since="2026-11-20T10:00:00Z", failures=3)
    run("disable", first.pk)

    one, two = run("list")[0].splitlines()

    assert one.startswith(f"{first.pk} disabled since ")
    assert "(switched_off)" in one
    assert two.startswith(f"{second.pk} failing since 2026-11-20 10:00 UTC (3 attempts) · https://other.example.com/ · everything")


def test_it_disables_and_enables() -> None:
    endpoint = added()
    run("disable", endpoint.pk)
    with pytest.raises(CommandError, match="Switch it on first"):
        run("test", endpoint.pk)
    with pytest.raises(CommandError, match="Switch it on first"):
        run("resend", endpoint.pk)

    run("enable", endpoint.pk)

    assert "is on its way" in run("test", endpoint.pk)[0]


@pytest.mark.parametrize(("more", "signing"), [([], 2), (["--at-once"], 1)])
def test_it_rotates_the_secret(more: list[str], signing: int) -> None:
    endpoint = added()

    secret, _ = run("rotate", endpoint.pk, *more)

    found = secrets_of(WebhookEndpoint.objects.get())
    assert (found[0], len(found)) == (secret, signing)


def test_it_sends_again_what_was_given_up(wallet: Wallet, settings: Any) -> None:
    settings.WEBHOOKS_ALLOW_PRIVATE_TARGETS = True
    with running_receiver() as receiver:
        endpoint = endpoint_of(None, receiver.url).endpoint
        for _ in range(3):
            tell(wallet)
        work()
        Delivery.objects.filter(pk__in=Delivery.objects.values("pk")[:2]).update(last_error="It answered 500.", delivered_at=None)
        receiver.received.clear()

        assert run("resend", endpoint.pk)[0].startswith("2 messages")
        work()

    assert len(receiver.received) == 2


def test_it_forgets_one_and_says_that_none_is_left() -> None:
    endpoint = added()

    run("remove", endpoint.pk)

    out, beside = run("list")
    assert (out, "has no endpoints" in beside) == ("", True)
