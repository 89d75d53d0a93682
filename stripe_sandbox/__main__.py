"""The command line: python -m stripe_sandbox. Reads arguments and environment, refuses what is unsafe, and starts the server."""

import argparse
import ctypes
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

LIVE_PREFIXES = ("sk_live_", "rk_live_")
EXIT_REFUSED = 2
PR_SET_PDEATHSIG = 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stripe_sandbox",
        description="A local stand-in for Stripe: API and control endpoint on loopback, hosted Checkout pages, signed webhooks.",
    )
    parser.add_argument("--port", type=int, default=8010, help="the API's port on 127.0.0.1; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--checkout-port", type=int, default=8011, help="the hosted pages' port; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--checkout-host", default="127.0.0.1", help="where the hosted pages listen; another than loopback needs LAN=1")
    parser.add_argument("--checkout-url", default="", help="the hosted pages' address as payers see it (default: where they listen)")
    parser.add_argument("--state-dir", type=Path, help="where to remember everything (default: a temporary directory)")
    parser.add_argument("--webhook-url", default="", help="where events are sent (default: nowhere)")
    parser.add_argument("--webhook-secret", default="", help="what events are signed with; needed beside --webhook-url")
    parser.add_argument("--merchant", default="Demo Company", help="the name on the hosted pages (default: %(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster than Stripe it retries, disputes and settles")
    parser.add_argument(
        "--debit-seconds", type=float, help="settle a bank debit by itself after so long (default: when the control endpoint says)"
    )
    parser.add_argument("--die-with-parent", action="store_true", help="end when the process that started this one ends (Linux)")
    return parser


def _refuse(sentence: str) -> NoReturn:
    sys.stderr.write(f"stripe_sandbox: {sentence}\n")
    raise SystemExit(EXIT_REFUSED)


def _check(arguments: argparse.Namespace) -> None:
    from stripe_sandbox.server import is_loopback

    if os.environ.get("STRIPE_SECRET_KEY", "").startswith(LIVE_PREFIXES):
        _refuse("STRIPE_SECRET_KEY holds a live key. The sandbox does not run beside one: unset it, or set a test key.")
    try:
        is_local = is_loopback(arguments.checkout_host)
    except ValueError:
        _refuse(f"--checkout-host {arguments.checkout_host} is not an address: give one such as 127.0.0.1 or 0.0.0.0.")
    if not is_local and os.environ.get("LAN") != "1":
        _refuse("--checkout-host is not loopback: the hosted pages are opened to the network only where LAN=1 is set.")
    if arguments.webhook_url and not arguments.webhook_url.startswith(("http://", "https://")):
        _refuse("--webhook-url must begin with http:// or https://.")
    if arguments.webhook_url and not arguments.webhook_secret:
        _refuse("--webhook-url needs --webhook-secret to sign with.")
    if arguments.speed <= 0:
        _refuse("--speed must be above zero.")


def _die_with_parent() -> None:
    """A test run that is killed must not leave a sandbox behind."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit


def main() -> None:
    arguments = _parser().parse_args()
    _check(arguments)
    if arguments.die_with_parent:
        _die_with_parent()
    # Imported after the checks: a refusal should not wait for Django.
    from stripe_sandbox.server import Addresses, PortTaken, run

    addresses = Addresses(
        port=arguments.port,
        checkout_host=arguments.checkout_host,
        checkout_port=arguments.checkout_port,
        checkout_url=arguments.checkout_url,
    )
    names = ("webhook_url", "webhook_secret", "merchant", "speed", "debit_seconds")
    with tempfile.TemporaryDirectory(prefix="stripe-sandbox-") as temporary:
        settings = {name: getattr(arguments, name) for name in names}
        try:
            run(addresses, settings={**settings, "state_dir": arguments.state_dir or Path(temporary)})
        except PortTaken as error:
            _refuse(str(error))
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
