"""The environment decides everything, is checked at the start, and is documented as it is."""

import os
import re
import subprocess
import sys

import pytest

from tests.environment import product_environment
from wallet_billing.local.product import ROOT
from wallet_billing.management.commands.show_configuration import page
from wallet_billing.variables import VARIABLES

PRODUCTION = product_environment(
    database_url="postgres://wallet_app:x@db.invalid/wallet",
    redis_url="redis://redis.invalid",
    site_url="https://billing.example.com",
    mail_folder="/nowhere",
) | {
    "SECRET_KEY": "a-long-random-key-of-a-production-site-0123456789-abcdefghijklm",
    "STRIPE_SECRET_KEY": "rk_live_only_an_example",
    "STRIPE_WEBHOOK_SECRET": "whsec_only_an_example",
    "STRIPE_API_BASE": "",
    "EMAIL_URL": "smtp+tls://user:password@mail.example.com:587",
    "DJANGO_SETTINGS_MODULE": "wallet_billing.settings",
}


def manage(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Runs manage.py as production does, with changes to its environment."""
    environment = {**os.environ, **PRODUCTION, **changes}
    return subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, check=False, capture_output=True, text=True)


def setting(*names: str) -> str:
    """Settings' values as production sees them."""
    done = manage("shell", "--no-imports", "-c", f"from django.conf import settings; print([getattr(settings, name) for name in {names}])")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_is_clean_for_deployment() -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING")

    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_it_uses_cookies_that_only_this_host_can_set_over_https() -> None:
    assert setting("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME") == "['__Host-session', '__Host-csrf']"
    assert (
        setting("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY", "CSRF_COOKIE_HTTPONLY")
        == "[True, True, True, True]"
    )


def test_it_is_safe_without_being_told() -> None:
    assert setting("DEBUG", "ALLOWED_HOSTS", "TRUSTED_PROXY_COUNT") == "[False, ['billing.example.com'], 0]"


@pytest.mark.parametrize(
    ("changes", "saying"),
    [
        ({"SECRET_KEY": ""}, "Set SECRET_KEY in the environment"),
        ({"SITE_URL": ""}, "Set SITE_URL in the environment"),
        ({"DATABASE_URL": ""}, "Set DATABASE_URL in the environment"),
        ({"REDIS_URL": ""}, "Set REDIS_URL in the environment"),
        ({"STRIPE_SECRET_KEY": ""}, "Set STRIPE_SECRET_KEY in the environment"),
        ({"STRIPE_WEBHOOK_SECRET": ""}, "Set STRIPE_WEBHOOK_SECRET in the environment"),
        ({"SITE_URL": "billing.example.com"}, "SITE_URL is 'billing.example.com': set it to scheme and host alone"),
        ({"SITE_URL": "https://billing.example.com/wallet"}, "set it to scheme and host alone"),
        ({"DATABASE_URL": "sqlite:///wallet.db"}, "DATABASE_URL begins with sqlite: set it to an address that begins with postgres://"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL begins with no scheme"),
        ({"DATABASE_URL": "postgres://db.invalid"}, "DATABASE_URL names no role or no database"),
        ({"DATABASE_OWNER_URL": "mysql://root@db/wallet"}, "DATABASE_OWNER_URL begins with mysql"),
        ({"REDIS_URL": "http://redis"}, "REDIS_URL begins with http: set it to an address that begins with redis://"),
        ({"STRIPE_SECRET_KEY": "pk_live_published"}, "STRIPE_SECRET_KEY must be a secret or restricted key"),
        ({"STRIPE_API_BASE": "http://127.0.0.1:8010"}, "STRIPE_API_BASE is set beside a live key"),
        ({"SITE_URL": "http://billing.example.com"}, "STRIPE_SECRET_KEY is a live key, so SITE_URL must start with https://"),
        ({"TRUSTED_PROXY_COUNT": "many"}, "TRUSTED_PROXY_COUNT is 'many': set it to a whole number from 0 to 5"),
        ({"METRICS_TOKEN": "secret"}, "METRICS_TOKEN is too easy to guess: set it to 32 random characters or more"),
        ({"DEBUG": "perhaps"}, "DEBUG is 'perhaps': set it to true or false"),
        ({"EMAIL_URL": "carrier-pigeon://roof"}, "EMAIL_URL begins with carrier-pigeon"),
    ],
)
def test_it_says_in_one_sentence_what_to_set(changes: dict[str, str], saying: str) -> None:
    done = manage("check", **changes)

    assert done.returncode == 1
    assert saying in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_it_never_prints_a_secret_that_is_wrong() -> None:
    done = manage("check", STRIPE_SECRET_KEY="live-key-with-a-typing-error", SITE_URL="https://billing.example.com")

    assert "live-key-with-a-typing-error" not in done.stderr + done.stdout


def test_its_page_is_in_step_with_the_code() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == page(), "run: make -s manage do=show_configuration > docs/configuration.md"


def test_it_names_every_variable_once() -> None:
    names = [variable.name for variable in VARIABLES]

    assert len(names) == len(set(names))


def test_compose_hands_every_variable_on() -> None:
    """But for what only migrations, the sandbox and people who develop need."""
    left_out = {"DATABASE_OWNER_URL", "STRIPE_API_BASE", "STRIPE_CHECKOUT_ORIGIN", "DEBUG"}
    handed_on = set(re.findall(r"^    ([A-Z_]+): ", (ROOT / "compose.yaml").read_text().partition("services:")[0], re.MULTILINE))

    assert handed_on == {variable.name for variable in VARIABLES} - left_out


def test_nothing_else_reads_the_environment() -> None:
    reads = {
        str(path.relative_to(ROOT))
        for app in ("billing", "usage", "wallet", "wallet_billing", "workspaces")
        for path in (ROOT / app).rglob("*.py")
        if "/tests/" not in str(path) and re.search(r"\benviron\b(?!ment)|getenv", path.read_text())
    }

    # celery.py and wsgi.py only name the settings module; the launcher makes the environment that the others read.
    launcher = {"wallet_billing/local/__main__.py", "wallet_billing/local/running.py"}
    assert reads == {"wallet_billing/celery.py", "wallet_billing/environment.py", "wallet_billing/wsgi.py"} | launcher
