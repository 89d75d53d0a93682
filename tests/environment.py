"""The environment that tests give the product, and the one that they run in. Nothing here may import Django."""

import os


def in_ci() -> bool:
    """Whether nothing may go unseen: what is skipped elsewhere fails."""
    return os.environ.get("CI", "").lower() in ("1", "true")


def product_environment(*, database_url: str, redis_url: str, site_url: str, mail_folder: str) -> dict[str, str]:
    """Every variable that the product reads, so that nothing of the caller's own environment reaches a test."""
    return {
        "SECRET_KEY": "only-for-tests-and-long-enough-to-be-accepted-by-the-deployment-check",
        "SECRET_KEY_FALLBACKS": "",
        "SITE_URL": site_url,
        "ALLOWED_HOSTS": "",
        "DATABASE_URL": database_url,
        "DATABASE_OWNER_URL": "",
        "REDIS_URL": redis_url,
        "STRIPE_SECRET_KEY": "sk_test_for_tests_alone",
        "STRIPE_WEBHOOK_SECRET": "whsec_for_tests_alone",
        # Nobody listens there: a test that forgets to fake Stripe fails, and reaches nobody.
        "STRIPE_API_BASE": "http://127.0.0.1:9",
        "STRIPE_CHECKOUT_ORIGIN": "",
        "SECOND_PERSON_ABOVE": "",
        "STAFF_SECOND_FACTOR": "false",
        "WEBHOOKS_ALLOW_PRIVATE_TARGETS": "",
        "TWILIO_AUTH_TOKEN": "",
        "VAPI_WEBHOOK_SECRET": "",
        "RETELL_API_KEY": "",
        "EMAIL_URL": f"filemail://{mail_folder}",
        "DEFAULT_FROM_EMAIL": "",
        "SUPPORT_EMAIL": "",
        "OPERATOR_NAME": "",
        "OPERATOR_ADDRESS": "",
        "TRUSTED_PROXY_COUNT": "",
        "METRICS_TOKEN": "",
        "DEBUG": "",
        # Set in a process that drives a browser (tests/browser.py), and nothing that it starts may inherit it.
        "DJANGO_ALLOW_ASYNC_UNSAFE": "",
    }
