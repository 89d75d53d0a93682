"""What the person who starts may choose, read from the environment that `make` hands over. It must not act on any of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wallet_billing.local.errors import LaunchError
from wallet_billing.local.network import lan_address
from wallet_billing.local.product import ROOT, Addresses

DEFAULT_PORT = 8000


@dataclass(frozen=True, kw_only=True)
class Options:
    """PORT, LAN and STATE_DIR."""

    port: int
    on_network: bool
    state_dir: Path


def read_options(given: Mapping[str, str]) -> Options:
    """The options. Raises LaunchError for a port that is none."""
    port = given.get("PORT") or str(DEFAULT_PORT)
    # Two more ports follow the first: Checkout's pages and the sandbox's API.
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65533):
        raise LaunchError(f"PORT={port} is no port: choose a number from 1 to 65533, as in make run PORT=8080")
    on_network = (given.get("LAN") or "0").lower() not in ("0", "no", "false", "off")
    state_dir = Path(given.get("STATE_DIR") or ROOT / ".local").expanduser()
    return Options(port=int(port), on_network=on_network, state_dir=state_dir)


def choose_addresses(options: Options, *, given: Mapping[str, str]) -> Addresses:
    """Loopback alone, or the network. Raises LaunchError where there is no network to be on."""
    name = lan_address() if options.on_network else "localhost"
    return Addresses(
        host="0.0.0.0" if options.on_network else "127.0.0.1",  # noqa: S104 -- LAN=1 asks for just that
        port=options.port,
        site_url=given.get("SITE_URL") or f"http://{name}:{options.port}",
        checkout_port=options.port + 1,
        checkout_url=f"http://{name}:{options.port + 1}",
        sandbox_port=options.port + 2,
    )
