"""What the launcher decides before it starts anything."""

from pathlib import Path

import pytest

from wallet_billing.local import options, stack
from wallet_billing.local.console import Console
from wallet_billing.local.errors import LaunchError
from wallet_billing.local.options import choose_addresses, read_options
from wallet_billing.local.run import as_qr_code
from wallet_billing.local.services import Services
from wallet_billing.local.state import DISK_BYTES_MIN, StateDirectory

SERVICES = Services(
    database_url="postgres://wallet_app:x@db/wallet",
    database_owner_url="postgres://o:x@db/wallet",
    redis_url="redis://r",
    postgres=None,
    valkey=None,
)


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    """A state directory that nobody else holds."""
    return StateDirectory(tmp_path)


def variables(state: StateDirectory, **given: str) -> dict[str, str]:
    """The product's environment for what a person has set."""
    addresses = choose_addresses(read_options(given), given=given)
    return stack.product_variables(addresses, services=SERVICES, state=state, given=given)


def test_it_stays_on_loopback_unless_told_otherwise() -> None:
    addresses = choose_addresses(read_options({}), given={})

    assert (addresses.host, addresses.port, addresses.site_url) == ("127.0.0.1", 8000, "http://localhost:8000")
    assert addresses.is_on_loopback


def test_it_asks_staff_for_no_second_factor_beside_the_sandbox_alone(state: StateDirectory) -> None:
    assert variables(state)["STAFF_SECOND_FACTOR"] == "false"
    assert variables(state, STAFF_SECOND_FACTOR="true")["STAFF_SECOND_FACTOR"] == "true"
    assert "STAFF_SECOND_FACTOR" not in variables(state, STRIPE_SECRET_KEY="sk_test_1", STRIPE_WEBHOOK_SECRET="whsec_1")


def test_it_gives_a_phone_addresses_that_it_can_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "lan_address", lambda: "192.168.1.20")
    given = {"LAN": "1", "PORT": "9000"}

    addresses = choose_addresses(read_options(given), given=given)

    assert addresses.host == "0.0.0.0"
    assert addresses.site_url == "http://192.168.1.20:9000"
    assert addresses.checkout_url == "http://192.168.1.20:9001"
    # Only this machine talks to the sandbox's API, and the sandbox only to this machine.
    assert addresses.webhook_url == "http://127.0.0.1:9000/webhooks/stripe"


@pytest.mark.parametrize("value", ["", "0", "false", "no"])
def test_it_takes_no_for_an_answer(value: str) -> None:
    assert not read_options({"LAN": value}).on_network


def test_it_points_the_product_at_the_sandbox(state: StateDirectory) -> None:
    made = variables(state, STRIPE_API_BASE="http://elsewhere")

    assert made["STRIPE_SECRET_KEY"].startswith("sk_test_")
    assert made["STRIPE_API_BASE"] == "http://127.0.0.1:8002"
    assert made["STRIPE_CHECKOUT_ORIGIN"] == "http://localhost:8001"
    assert made["STRIPE_WEBHOOK_SECRET"] == state.secrets().stripe_webhook_secret


def test_it_leaves_stripe_alone_where_a_key_is_set(state: StateDirectory) -> None:
    made = variables(state, STRIPE_SECRET_KEY="sk_test_mine", STRIPE_WEBHOOK_SECRET="whsec_mine")

    assert made["STRIPE_SECRET_KEY"] == "sk_test_mine"
    assert "STRIPE_API_BASE" not in made


def test_it_lets_the_caller_decide(state: StateDirectory) -> None:
    made = variables(state, SITE_URL="https://wallet.example.com", EMAIL_URL="smtp+tls://mail", SECRET_KEY="mine")

    assert (made["SITE_URL"], made["EMAIL_URL"], made["SECRET_KEY"]) == ("https://wallet.example.com", "smtp+tls://mail", "mine")


def test_it_never_hands_the_owners_address_to_the_product(state: StateDirectory) -> None:
    made = variables(state, DATABASE_URL="postgres://a", DATABASE_OWNER_URL="postgres://o")

    assert "DATABASE_OWNER_URL" not in made


def test_it_keeps_the_secrets_it_made(state: StateDirectory) -> None:
    assert state.secrets() == StateDirectory(state.path).secrets()
    assert len(state.secrets().secret_key) >= 50


def test_it_wants_room_on_the_disk(state: StateDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallet_billing.local.state.DISK_BYTES_MIN", DISK_BYTES_MIN * 10**9)

    with pytest.raises(LaunchError, match="is nearly full"):
        state.open()


def test_it_draws_the_address_for_a_camera() -> None:
    assert len({len(line) for line in as_qr_code("http://192.168.1.20:8000").splitlines() if line}) == 1


def test_it_says_each_step_with_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    with Console().step("Starting Valkey"):
        pass

    assert capsys.readouterr().out.startswith("  Starting Valkey … 0.0 s")
