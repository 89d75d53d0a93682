"""Logs are for machines to read and for strangers to learn nothing from."""

import json
import logging
import logging.config
from collections.abc import Callable, Iterator
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from django.test import Client

from wallet import stripe_gateway
from wallet.errors import UnknownPayment
from wallet.ledger import lock_wallet
from wallet.services import reconciliation
from wallet.tasks import announce_standing
from wallet.tests.builders import make_wallet
from wallet_billing.logs import logging_settings, redacted


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Logging as in production, into memory: a function that returns what was logged."""
    stream = StringIO()
    settings = logging_settings()
    settings["handlers"]["stdout"]["stream"] = stream
    before = logging.getLogger().handlers[:]
    logging.config.dictConfig(settings)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().handlers = before


@pytest.mark.parametrize(
    ("text", "kept", "gone"),
    [
        ("GET /pay/Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cQ", "GET /pay/", "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cQ"),
        ("key sk_live_51AbCdEf is wrong", "is wrong", "51AbCdEf"),
        ("rk_test_51AbCdEf and whsec_0123abcd", "and", "0123abcd"),
        ("postgres://wallet_app:hunter2@db/wallet", "@db/wallet", "hunter2"),
        ("redis://:hunter2@redis", "@redis", "hunter2"),
        ("Authorization: Bearer abc.def-123", "Authorization", "abc.def-123"),
        (
            "/accounts/confirm-email/MQ:1abcde:abcdefghijklmnopqrstuvwxyz0123456789/",
            "/accounts/confirm-email/",
            "abcdefghijklmnopqrstuvwxyz",
        ),
        ("pi_3Nx9 has pi_3Nx9_secret_AbC123dEf", "pi_3Nx9 has", "AbC123dEf"),
        ("card 4242 4242 4242 4242 exp 12/34", "exp 12/34", "4242 4242"),
        ("card=378282246310005&cvc=1234", "card=", "378282246310005"),
        ("card=378282246310005&cvc=7391", "cvc=", "7391"),
        ("{'password': 'hunter2', 'user': 7}", "'user': 7", "hunter2"),
        ("host=db password=hunter2 dbname=wallet", "dbname=wallet", "hunter2"),
        # Neither a card's: a phone number, the digits of a moment, micros, a number whose check digit is another.
        ("+4915112345678 called +491511234567", "+4915112345678 called +491511234567", "…"),
        ("at 1763779200000000, 20000000 micros, 4242424242424241", "1763779200000000, 20000000 micros, 4242424242424241", "…"),
        ("/workspaces/9b2f7a9e-3c56-4d0c-9a2f-0f1f7d9f1c11/billing", "9b2f7a9e-3c56-4d0c-9a2f-0f1f7d9f1c11/billing", "…"),
    ],
)
def test_it_takes_secrets_out_by_their_shape(text: str, kept: str, gone: str) -> None:
    assert kept in redacted(text)
    assert gone not in redacted(text)


def test_it_takes_secrets_out_by_their_name(logged: Callable[[], list[dict[str, Any]]]) -> None:
    given = {"password": "hunter2", "card_number": "4", "cvc": 123, "amount_micros": 4242424242424242, "number": 4242424242424242}
    structlog.get_logger("test").info("signed in", facts={"api_key": "k-1", "user": 7}, items=[{"token": "t"}], **given)

    (line,) = logged()
    assert line["password"] == line["card_number"] == line["cvc"] == line["number"] == "…"
    assert line["amount_micros"] == 4242424242424242
    assert line["facts"] == {"api_key": "…", "user": 7}
    assert line["items"] == [{"token": "…"}]


def test_it_takes_secrets_out_of_tracebacks(logged: Callable[[], list[dict[str, Any]]]) -> None:
    try:
        raise ValueError("connecting to postgres://wallet_app:hunter2@db/wallet")
    except ValueError:
        logging.getLogger("library").exception("failed with %s", "sk_live_abcdefgh")

    (line,) = logged()
    assert "ValueError" in line["exception"]
    assert "hunter2" not in json.dumps(line)
    assert "abcdefgh" not in json.dumps(line)


@pytest.mark.django_db
def test_it_logs_a_request_by_its_route_and_never_by_its_token(client: Client, logged: Callable[[], list[dict[str, Any]]]) -> None:
    answer = client.get("/pay/averylongtokenthatnobodymaylearnfromalog0123456789?amount=secret")

    lines = logged()
    (line,) = [line for line in lines if line["event"] == "request"]
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert line["status"] == answer.status_code
    assert isinstance(line["milliseconds"], int)
    assert "averylongtoken" not in json.dumps(lines)
    assert "secret" not in json.dumps(lines)


@pytest.mark.django_db
def test_it_takes_a_request_id_from_its_own_proxy_alone(client: Client, settings: Any) -> None:
    settings.TRUSTED_PROXY_COUNT = 0
    assert client.get("/healthz", headers={"X-Request-ID": "chosen-by-a-stranger"}).headers["X-Request-ID"] != "chosen-by-a-stranger"

    settings.TRUSTED_PROXY_COUNT = 1
    assert client.get("/healthz", headers={"X-Request-ID": "chosen-by-our-proxy"}).headers["X-Request-ID"] == "chosen-by-our-proxy"
    assert client.get("/healthz", headers={"X-Request-ID": "bad\tid"}).headers["X-Request-ID"] != "bad\tid"


@pytest.mark.django_db
def test_it_says_whose_request_it_was_and_forgets_it_after(client: Client, logged: Callable[[], list[dict[str, Any]]]) -> None:
    client.get("/w/ws_0123456789abcdef01234567/settings/billing")
    client.get("/pay/averylongtokenthatnobodymaylearnfromalog0123456789")

    asked, paid = [line for line in logged() if line["event"] == "request"]
    assert (asked["workspace"], asked["route"]) == ("ws_0123456789abcdef01234567", "/w/<str:public_id>/settings/billing")
    assert not {"workspace", "wallet"} & paid.keys()


@pytest.mark.django_db
def test_it_says_which_task_row_and_wallet_a_line_is_about(
    logged: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = make_wallet()

    def lock(wallet_id: int) -> None:
        lock_wallet(wallet_id)
        structlog.get_logger("test").info("locked")

    monkeypatch.setattr("wallet.services.standing.announce_standing", lock)
    announce_standing.apply(args=(wallet.pk,), task_id="a-task")
    structlog.get_logger("test").info("after")

    inside, after = [line for line in logged() if line["event"] in ("locked", "after")]
    assert {name: inside[name] for name in ("task", "task_id", "row", "wallet")} == {
        "task": "wallet.tasks.announce_standing",
        "task_id": "a-task",
        "row": wallet.pk,
        "wallet": wallet.pk,
    }
    assert not {"task", "task_id", "row", "wallet", "workspace"} & after.keys()


@pytest.mark.django_db
def test_it_does_not_name_the_wallet_of_the_payment_before(
    logged: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = make_wallet()

    def reconcile_payment(payment: Any, found: Any) -> None:
        if payment.id == "pi_strange":
            raise UnknownPayment("Nobody asked for it.")
        lock_wallet(wallet.pk)

    payments = [SimpleNamespace(id="pi_known"), SimpleNamespace(id="pi_strange"), SimpleNamespace(id="pi_last")]
    monkeypatch.setattr(reconciliation, "_reconcile_payment", reconcile_payment)
    for name, answer in (("payments_since", payments), ("refunds_since", []), ("disputes_since", [])):
        monkeypatch.setattr(stripe_gateway, name, lambda since, answer=answer: iter(answer))
    reconciliation.reconcile_since()

    assert ["wallet" in line for line in logged() if line["event"] in ("not_reconciled", "reconciled")] == [False, False]
