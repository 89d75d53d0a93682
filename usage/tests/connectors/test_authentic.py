"""Who is let in: Twilio's own library signs what is accepted, and whatever was altered is refused. The same for Vapi and Retell."""

import json
import logging
import time
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client
from twilio.request_validator import RequestValidator

from tests.payments import Alerts
from usage.connectors import retell
from usage.connectors.reports import Delivery
from usage.models import KeptEvent
from usage.tests.connectors.deliveries import (
    CALL,
    MESSAGE,
    RETELL_KEY,
    TWILIO_TOKEN,
    VAPI_SECRET,
    changed,
    retell_call,
    retell_signature,
    send_retell,
    send_twilio,
    send_twilio_json,
    send_vapi,
    sixty_four,
    twilio_signature,
    vapi_hmac,
    vapi_message,
)
from usage.tests.stage import Metering
from usage.webhooks import CALLBACK_BYTES_MAX

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("connected")]

ADDRESSES = ("/webhooks/twilio", "/webhooks/vapi", "/webhooks/retell")
REFUSED = (403, "signature_refused")


def refusal(answer: Any) -> tuple[int, str]:
    """The status and the code of a problem."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.content
    return answer.status_code, answer.json()["code"]


# ---------------------------------------------------------------- Twilio
def test_it_takes_what_twilios_own_library_signed(metering: Metering) -> None:
    answer = send_twilio(CALL, query=f"workspace={metering.subject}")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/xml")
    assert answer.content.endswith(b"<Response/>")
    assert metering.events == 1


@pytest.mark.parametrize(
    "altered",
    [
        changed(CALL, CallDuration="60"),
        changed(CALL, CallSid="CA" + "9" * 32),
        changed(CALL, CallDuration=None),
        changed(CALL, ToCity=None),
        changed(CALL, Extra="x"),
        changed(CALL, To="+14155550143"),
    ],
)
def test_it_refuses_a_callback_that_was_altered(metering: Metering, altered: dict[str, str], alerts: Alerts) -> None:
    query = f"workspace={metering.subject}"
    signature = twilio_signature(f"/webhooks/twilio?{query}", CALL)

    assert refusal(send_twilio(altered, query=query, signature=signature)) == REFUSED
    assert metering.events == KeptEvent.objects.count() == 0
    assert alerts() == ["connector_signature_refused"]


@pytest.mark.parametrize(
    "query",
    ["workspace=another", "", "workspace=customer-1042&hold=x", "workspace=customer-1042&", "workspace=customer%2D1042"],
)
def test_it_refuses_a_callback_for_another_address(metering: Metering, query: str) -> None:
    """The address says whom to charge, so it is signed as well."""
    signature = twilio_signature("/webhooks/twilio?workspace=customer-1042", CALL)

    assert refusal(send_twilio(CALL, query=query, signature=signature)) == REFUSED


@pytest.mark.parametrize("signature", ["", "nonsense", "é", sixty_four("a guess"), "0" * 28])
def test_it_refuses_a_signature_that_is_made_up(signature: str) -> None:
    assert refusal(send_twilio(CALL, signature=signature)) == REFUSED


def test_it_refuses_a_signature_by_another_token() -> None:
    assert refusal(send_twilio(CALL, signature=twilio_signature("/webhooks/twilio", CALL, token="another"))) == REFUSED


def test_it_knows_its_public_address_behind_a_proxy(metering: Metering, settings: Any) -> None:
    """Twilio signs what it was given; the request itself came from the proxy, over http, to another port."""
    settings.SITE_URL = "https://billing.example.com"
    query = f"workspace={metering.subject}"
    signature = RequestValidator(TWILIO_TOKEN).compute_signature(f"https://billing.example.com/webhooks/twilio?{query}", CALL)

    assert send_twilio(CALL, query=query, signature=signature).status_code == 200


@pytest.mark.parametrize(
    "query", ["agent=Sales+agent%27s&workspace=", "agent=Sales%20agent&Workspace=x&workspace=", "a&&b=%E2%82%AC&workspace="]
)
def test_it_takes_the_address_letter_for_letter(metering: Metering, query: str) -> None:
    """The order, case and escapes of its parameters are part of what was signed."""
    assert send_twilio(CALL, query=query + metering.subject).status_code == 200
    assert metering.events == 1


def test_it_takes_two_tokens_while_one_is_rotated(metering: Metering, settings: Any) -> None:
    settings.TWILIO_AUTH_TOKENS = ["the-new-one", TWILIO_TOKEN]
    new = twilio_signature("/webhooks/twilio", MESSAGE, token="the-new-one")

    assert send_twilio(CALL).status_code == 200
    assert send_twilio(MESSAGE, signature=new).status_code == 200


def test_it_takes_the_longer_digest_of_shared_keys(metering: Metering) -> None:
    settings_header = {"X-Twilio-Webhooks-Signature-Settings": "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"}
    signature = twilio_signature("/webhooks/twilio", CALL, algorithm="HMAC_SHA256")

    assert send_twilio(CALL, signature=signature, headers=settings_header).status_code == 200
    assert refusal(send_twilio(CALL, signature=signature)) == REFUSED
    odd = {"X-Twilio-Webhooks-Signature-Settings": "algorithm=NONE"}
    assert refusal(send_twilio(CALL, signature=signature, headers=odd)) == REFUSED


def test_it_takes_a_signed_json_body(metering: Metering) -> None:
    assert send_twilio_json(CALL, query=f"workspace={metering.subject}").status_code == 200
    assert metering.events == 1


def test_it_refuses_a_json_body_that_was_altered(metering: Metering) -> None:
    body = json.dumps(changed(CALL, CallDuration="1")).encode()

    assert refusal(send_twilio_json(CALL, query=f"workspace={metering.subject}", body=body)) == REFUSED
    assert metering.events == 0


@pytest.mark.parametrize("query", ["", "?bodySHA256=", "?bodySHA256=0000"])
def test_it_refuses_a_json_body_that_nothing_vouches_for(query: str) -> None:
    """The address alone is signed: whoever saw one callback could put any body behind it."""
    signature = twilio_signature("/webhooks/twilio" + query, {})
    headers = {"X-Twilio-Signature": signature}

    answer = Client().post("/webhooks/twilio" + query, data=json.dumps(CALL), content_type="application/json", headers=headers)

    assert refusal(answer) == REFUSED


# ---------------------------------------------------------------- Vapi
@pytest.mark.parametrize(
    "headers", [{"X-Vapi-Secret": VAPI_SECRET}, {"Authorization": f"Bearer {VAPI_SECRET}"}, {"Authorization": f"bearer {VAPI_SECRET}"}]
)
def test_it_takes_vapis_secret(metering: Metering, headers: dict[str, str]) -> None:
    assert send_vapi(vapi_message(), headers=headers).status_code == 200
    assert KeptEvent.objects.count() == 1


@pytest.mark.parametrize("prefix", ["", "sha256="])
def test_it_takes_vapis_hmac(metering: Metering, prefix: str) -> None:
    body = json.dumps({"message": vapi_message()}).encode()

    assert send_vapi(body=body, headers={"X-Vapi-Signature": prefix + vapi_hmac(body)}).status_code == 200
    assert refusal(send_vapi(body=body + b" ", headers={"X-Vapi-Signature": prefix + vapi_hmac(body)})) == REFUSED


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Vapi-Secret": ""},
        {"X-Vapi-Secret": VAPI_SECRET[:-1]},
        {"X-Vapi-Secret": VAPI_SECRET + " x"},
        {"X-Vapi-Secret": "é"},
        {"Authorization": VAPI_SECRET},
        {"Authorization": f"Basic {VAPI_SECRET}"},
        {"Authorization": "Bearer "},
        {"X-Vapi-Signature": VAPI_SECRET},
        {"X-Vapi-Signature": "0" * 64},
        {"X-Vapi-Signature": "é"},
    ],
)
def test_it_refuses_whoever_does_not_know_vapis_secret(headers: dict[str, str], alerts: Alerts) -> None:
    assert refusal(send_vapi(vapi_message(), headers=headers)) == REFUSED
    assert KeptEvent.objects.count() == 0
    assert alerts() == ["connector_signature_refused"]


# ---------------------------------------------------------------- Retell
def test_it_takes_what_retells_own_library_signed() -> None:
    """The signature was made with retell-sdk 6.2.13."""
    body = '{"event":"call_started","call":{"call_id":"call_ü"}}'.encode()
    header = "v=1790000000000,d=d3f6e089badd0c4c1998d8a5bff4edfac9c30b9f775118c15dd6432ec344cc13"
    delivery = Delivery("", "", {"x-retell-signature": header}, body)

    with patch.object(time, "time", return_value=1_790_000_010.0):
        assert retell.is_authentic(delivery, [RETELL_KEY])
        assert retell.is_authentic(delivery, ["key_new", RETELL_KEY])
        assert not retell.is_authentic(delivery, ["key_new"])


@pytest.mark.parametrize(("age_seconds", "status"), [(290, 204), (301, 403), (-290, 204), (-301, 403), (86_400, 403)])
def test_it_bounds_the_age_of_retells_signature(age_seconds: int, status: int) -> None:
    body = json.dumps({"event": "call_ended", "call": retell_call()}).encode()

    assert send_retell(body=body, signature=retell_signature(body, age_seconds=age_seconds)).status_code == status
    assert KeptEvent.objects.count() == (status == 204)


@pytest.mark.parametrize(
    "signature", ["", "nonsense", "v=NOW,d=", "v=NOW,d=" + "0" * 64, "v=,d=" + "0" * 64, "v=" + "9" * 40 + ",d=x", "é"]
)
def test_it_refuses_a_retell_signature_that_is_made_up(signature: str) -> None:
    timely = signature.replace("NOW", str(int(time.time() * 1000)))

    assert refusal(send_retell(retell_call(), signature=timely)) == REFUSED


def test_it_refuses_a_retell_body_that_was_altered() -> None:
    body = json.dumps({"event": "call_ended", "call": retell_call()}).encode()

    assert refusal(send_retell(body=body.replace(b"60001", b"1"), signature=retell_signature(body))) == REFUSED
    assert refusal(send_retell(body=body, signature=retell_signature(body, key="key_another"))) == REFUSED


# ---------------------------------------------------------------- all of them
@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "options"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_it_is_not_there_without_its_secret(settings: Any, address: str, method: str) -> None:
    settings.TWILIO_AUTH_TOKENS = settings.VAPI_WEBHOOK_SECRETS = settings.RETELL_API_KEYS = []

    assert refusal(getattr(Client(), method)(address)) == (404, "not_found")


@pytest.mark.parametrize("address", ADDRESSES)
def test_it_takes_nothing_but_posts(address: str) -> None:
    answer = Client().get(address)

    assert refusal(answer) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("address", ADDRESSES)
def test_it_refuses_a_body_larger_than_any_report(address: str) -> None:
    most = CALLBACK_BYTES_MAX if address == "/webhooks/twilio" else 5 * 1024 * 1024

    assert refusal(Client().post(address, data=b"x" * (most + 1), content_type="application/json")) == (413, "too_large")


@pytest.mark.parametrize("body", [b"{", b"[1]", b"null", b"\xff\xfe\x00", b"[" * 100_000, b"1" * 5_000])
def test_it_refuses_a_body_that_is_no_report(body: bytes) -> None:
    assert refusal(send_vapi(body=body)) == (400, "malformed")
    assert refusal(send_retell(body=body)) == (400, "malformed")
    assert KeptEvent.objects.count() == 0


def test_it_refuses_a_form_with_more_fields_than_any() -> None:
    assert refusal(send_twilio({f"field{number}": "" for number in range(1_001)})) == (400, "malformed")
    assert refusal(send_vapi(vapi_message(), query="&".join(["workspace=x"] * 101))) == (400, "malformed")


def test_it_writes_no_secret_and_no_signature_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """S17."""
    caplog.set_level(logging.DEBUG)

    send_twilio(CALL, signature="a-signature-of-somebody")
    send_vapi(vapi_message())
    send_retell(retell_call(), query="workspace=x&hold=a-hold-of-somebody")

    logged = " ".join(str(record.msg) + record.getMessage() for record in caplog.records)
    for secret in (TWILIO_TOKEN, VAPI_SECRET, RETELL_KEY, "a-signature-of-somebody", "a-hold-of-somebody", "4155550142"):
        assert secret not in logged
