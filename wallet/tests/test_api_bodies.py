"""What a body of the wallet's API may be: JSON of a modest size, with known members and whole amounts, and nothing else."""

from typing import Any

import pytest

from wallet.models import PaymentLink
from wallet.tests.api_bodies import PAY_20, new_workspace
from wallet.tests.builders import DOLLAR
from workspaces.models import Workspace
from workspaces.tests.api_caller import Caller, new_key

pytestmark = pytest.mark.django_db


# ---------------------------------------------------------------- members and amounts (mass assignment: S15)
@pytest.mark.parametrize(
    "name", ["tenant_id", "workspace", "id", "public_id", "balance", "balance_micros", "role", "is_staff", "status", "amount"]
)
def test_it_refuses_members_that_it_does_not_know_by_name(platform: Caller, own: Caller, path: str, name: str) -> None:
    for answer in (
        platform.post("/workspaces", new_workspace(**{name: 1})),
        own.post(f"{path}/payment-links", PAY_20 | {name: 1}, key=new_key()),
    ):
        assert (answer.status, answer.code) == (422, "invalid")
        assert answer.body["errors"] == [{"detail": "This is not known here: remove it.", "pointer": f"#/{name}"}]
    assert Workspace.objects.count() == 1
    assert not PaymentLink.objects.exists()


@pytest.mark.parametrize(
    "written",
    [
        "0", "-1", "-20000000", "0.001", "20000000.0", "1e9", "2e7", "NaN", "Infinity", "-Infinity", '"20000000"', '"1"', '"２００"', "٢٠",
        "true", "null", "[20000000]", "{}", "9223372036854775808", "1" + "0" * 30, "1" * 5000, "00020000000", "+20000000", "0x10",
        "20_000_000",
    ],
)  # fmt: skip
def test_it_takes_whole_positive_micros_alone(own: Caller, path: str, written: str) -> None:
    body = f'{{"purpose": "pay", "amount_micros": {written}}}'

    answer = own.send("POST", f"{path}/payment-links", body=body, headers={"Idempotency-Key": new_key()})

    assert answer.status in (400, 422), answer.raw
    assert answer.code in ("malformed", "invalid")
    assert not PaymentLink.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {"purpose": "pay"},
        {"purpose": "connect_card", "amount_micros": DOLLAR},
        {"purpose": "gift", "amount_micros": DOLLAR},
        {"amount_micros": DOLLAR},
        {},
        [],
        "pay",
        None,
    ],
)
def test_it_refuses_links_that_make_no_sense(own: Caller, path: str, body: Any) -> None:
    assert own.post(f"{path}/payment-links", body, key=new_key()).code == "invalid"


# ---------------------------------------------------------------- the body itself
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"purpose": "pay",}',
        b"[" * 50_000,
        b"pay",
        b'{"purpose": "pay"} x',
        b'\xef\xbb\xbf{"purpose": "pay", "amount_micros": 20000000}',
    ],
)
def test_it_reads_json_alone(own: Caller, path: str, body: bytes) -> None:
    answer = own.send("POST", f"{path}/payment-links", body=body, headers={"Idempotency-Key": new_key()})

    assert (answer.status, answer.code) == (400, "malformed")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""])
def test_it_wants_the_content_type_of_json(own: Caller, path: str, content_type: str) -> None:
    headers = {"Idempotency-Key": new_key()}

    answer = own.send("POST", f"{path}/payment-links", body='{"purpose": "connect_card"}', content_type=content_type, headers=headers)

    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("size", [70_000, 6_000_000])
def test_it_takes_no_body_that_is_too_large(own: Caller, path: str, size: int) -> None:
    answer = own.send("POST", f"{path}/payment-links", body=" " * size, headers={"Idempotency-Key": new_key()})

    assert (answer.status, answer.code) == (413, "too_large")
