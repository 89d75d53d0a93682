"""Every connector switched on, with secrets of the tests."""

from typing import Any

import pytest

from usage.tests.connectors.deliveries import RETELL_KEY, TWILIO_TOKEN, VAPI_SECRET


@pytest.fixture
def connected(settings: Any) -> None:
    """The secrets that deliveries.py signs with."""
    settings.TWILIO_AUTH_TOKENS = [TWILIO_TOKEN]
    settings.VAPI_WEBHOOK_SECRETS = [VAPI_SECRET]
    settings.RETELL_API_KEYS = [RETELL_KEY]
