"""docs/connectors.md is true: its examples are run as a reader would, and its tables name what the mappers know."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from usage.connectors import retell, twilio, vapi
from usage.models import Event
from usage.tests.connectors.deliveries import RETELL_KEY, TWILIO_TOKEN, VAPI_SECRET
from usage.tests.stage import make_metering, seed_prices
from wallet_billing.variables import VARIABLES

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "connectors.md").read_text()
SECRETS = {"TWILIO_AUTH_TOKEN": TWILIO_TOKEN, "VAPI_WEBHOOK_SECRET": VAPI_SECRET, "RETELL_API_KEY": RETELL_KEY}


@pytest.mark.skipif(not all(map(shutil.which, ("bash", "curl", "openssl"))), reason="the examples want bash, curl and openssl")
@pytest.mark.django_db(transaction=True)
def test_it_can_be_followed_with_a_shell(live_server: LiveServer, settings: Any) -> None:
    seed_prices()
    metering = make_metering()
    metering.call_it("customer-1042")
    settings.SITE_URL = live_server.url
    settings.TWILIO_AUTH_TOKENS, settings.VAPI_WEBHOOK_SECRETS, settings.RETELL_API_KEYS = ([secret] for secret in SECRETS.values())

    for command in re.findall(r"```sh\n(.*?)\n```", PAGE, flags=re.DOTALL):
        script = re.sub(r"^curl ", "curl --silent --show-error --fail --max-time 20 ", command, flags=re.MULTILINE)
        environment = os.environ | SECRETS | {"SITE": live_server.url}
        done = subprocess.run(["bash", "-euc", script], env=environment, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, (command, done.stderr)

    found = {event.source: (event.meter_id, event.quantity, event.number) for event in Event.objects.all()}
    assert found == {
        "/twilio": ("call_out", 61, "+14155550142"),
        "/vapi": ("call_out", 62, "+14155550142"),
        "/retell": ("call_in", 61, "+14155550142"),
    }


@pytest.mark.parametrize("secret", SECRETS)
def test_it_names_every_secret(secret: str) -> None:
    assert f"`{secret}`" in PAGE
    assert secret in {variable.name for variable in VARIABLES}


@pytest.mark.parametrize(
    "words",
    [
        twilio.CALL_UNDERWAY,
        twilio.CALL_NOT_ANSWERED,
        twilio.CALL_TYPES,
        twilio.MESSAGE_NOT_SENT,
        ("sent", "delivered", "undelivered", "read"),
        (*retell.CALL_OVER, *retell.NOT_CONNECTED[:3]),
        tuple(vapi.CALL_TYPES)[:3],
        vapi.NOT_CONNECTED[:2],
    ],
)
def test_it_names_what_the_mappers_know(words: Any) -> None:
    assert [word for word in words if f"`{word}`" not in PAGE] == []
