"""Shortens how long the product waits for Stripe, in every process of the chaos test; with CHAOS_SABOTAGE also breaks it on purpose."""

import os

from django.apps import AppConfig

ANSWER_SECONDS = 2.0


class ChaosConfig(AppConfig):
    """Loaded by tests/chaos/settings.py alone."""

    name = "tests.chaos"
    label = "chaos"

    def ready(self) -> None:
        """A hung answer is given up after two seconds instead of twenty, a busy key looked at again after a fifth of one."""
        from tests.chaos.sabotage import SABOTAGES
        from wallet import stripe_gateway
        from wallet.services import checkout

        stripe_gateway.ANSWER_TIMEOUT_SECONDS = ANSWER_SECONDS
        checkout.BUSY_WAIT_SECONDS = 0.2
        if sabotage := os.environ.get("CHAOS_SABOTAGE"):
            SABOTAGES[sabotage]()
