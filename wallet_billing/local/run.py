"""`make run`: everything, from nothing, until Ctrl-C."""

import signal
from collections.abc import Mapping
from io import StringIO
from types import FrameType

import qrcode

from wallet_billing.local import product, static_files
from wallet_billing.local.console import Console
from wallet_billing.local.options import Options, choose_addresses
from wallet_billing.local.product import LIVE_KEYS, Addresses
from wallet_billing.local.running import forget, record
from wallet_billing.local.services import Services, start_services
from wallet_billing.local.stack import Stack, demand_ports, product_variables
from wallet_billing.local.state import StateDirectory


class StopRequested(BaseException):
    """Ctrl-C, or the signal of whoever started us. Not an Exception: nothing may mistake it for a fault."""


def run(options: Options, *, given: Mapping[str, str], console: Console) -> None:
    """Starts everything and returns when it was asked to stop. Raises LaunchError."""
    _stop_on_signals()
    state = StateDirectory(options.state_dir)
    state.open()
    services: Services | None = None
    stack: Stack | None = None
    try:
        addresses = choose_addresses(options, given=given)
        demand_ports(addresses, with_sandbox=product.uses_sandbox(given))
        console.say(f"Wallet Billing — state in {state.path}")
        services = start_services(state, given=given, console=console)
        variables = product_variables(addresses, services=services, state=state, given=given)
        stack = Stack(state=state, environment=variables, console=console)
        sign_in = _prepare(stack, services=services, given=given)
        _start(stack, addresses=addresses, state=state, given=given, variables=variables, console=console)
        record(state, variables=variables)
        _say_where(addresses, state=state, sign_in=sign_in, given=given, console=console)
        stack.watch(services.children())
    except StopRequested:
        console.say()
        console.say("Stopping.")
    finally:
        _stop(stack, services=services, state=state, console=console)


def serve_only(options: Options, *, given: Mapping[str, str], console: Console) -> None:
    """PostgreSQL and Valkey alone, with the database prepared, for working on the code. Raises LaunchError."""
    _stop_on_signals()
    state = StateDirectory(options.state_dir)
    state.open()
    services: Services | None = None
    stack: Stack | None = None
    try:
        services = start_services(state, given=given, console=console)
        addresses = choose_addresses(options, given=given)
        variables = product_variables(addresses, services=services, state=state, given=given)
        stack = Stack(state=state, environment=variables, console=console)
        _prepare_database(stack, services=services)
        record(state, variables=variables)
        console.say("PostgreSQL and Valkey are up: make manage do=… uses them. Ctrl-C stops them.")
        stack.watch(services.children())
    except StopRequested:
        console.say()
    finally:
        _stop(stack, services=services, state=state, console=console)


def _prepare(stack: Stack, *, services: Services, given: Mapping[str, str]) -> str:
    _prepare_database(stack, services=services)
    static_files.collect(stack)
    stack.manage("seed_prices", "--skip-checks", doing="Setting prices where there are none")
    # A live key means real customers: a made-up one has no place among them.
    if given.get("STRIPE_SECRET_KEY", "").startswith(LIVE_KEYS):
        return ""
    return stack.manage("seed_demo", "--skip-checks", doing="Filling a demo workspace")


def _prepare_database(stack: Stack, *, services: Services) -> None:
    stack.manage("prepare_database", doing="Preparing the tables", extra={"DATABASE_OWNER_URL": services.database_owner_url})


def _start(
    stack: Stack, *, addresses: Addresses, state: StateDirectory, given: Mapping[str, str], variables: Mapping[str, str], console: Console
) -> None:
    if product.uses_sandbox(given):
        folder = state.folder("stripe-sandbox")
        with console.step("Starting the Stripe sandbox"):
            merchant = variables.get("OPERATOR_NAME", "Wallet Billing")
            stack.start(product.sandbox(addresses, state=folder, webhook_secret=variables["STRIPE_WEBHOOK_SECRET"], merchant=merchant))
            stack.wait_until_ready(f"http://127.0.0.1:{addresses.sandbox_port}/")
    with console.step("Starting the worker, the pages and the clock"):
        stack.start(product.worker())
        stack.start(product.web(host=addresses.host, port=addresses.port))
        stack.start(product.beat(state.path))
        stack.wait_until_ready(f"http://127.0.0.1:{addresses.port}/readyz")


def _say_where(addresses: Addresses, *, state: StateDirectory, sign_in: str, given: Mapping[str, str], console: Console) -> None:
    console.say()
    console.say(f"Ready after {console.elapsed_seconds():.0f} s. Open {addresses.site_url}")
    if not addresses.is_on_loopback:
        console.say(as_qr_code(addresses.site_url))
        console.say("  Everybody on this network can open it, and only the passwords keep them out.")
    if sign_in.strip():
        console.say()
        console.say(sign_in.rstrip())
    console.say()
    if not given.get("EMAIL_URL"):
        console.say(f"  Mail is written to {state.folder('mail')}")
    console.say(f"  Logs are in {state.folder('logs')}")
    if product.uses_sandbox(given):
        console.say("  Payments go to the Stripe sandbox: card 4242 4242 4242 4242, any date to come, any CVC.")
    console.say("  Ctrl-C stops everything; what you did is kept for the next time.")


def as_qr_code(address: str) -> str:
    """The address for a phone's camera, drawn with characters."""
    code = qrcode.QRCode(border=2)
    code.add_data(address)
    drawn = StringIO()
    # Light on dark, as most terminals are: the quiet zone is part of the drawing.
    code.print_ascii(out=drawn, invert=True)
    return drawn.getvalue()


def _stop(stack: Stack | None, *, services: Services | None, state: StateDirectory, console: Console) -> None:
    forget(state)
    try:
        if stack is not None:
            stack.stop()
        if services is not None:
            with console.step("Stopping Valkey and PostgreSQL"):
                services.stop()
    except StopRequested:
        # Asked twice: no more patience for the processes. PostgreSQL still stops in good order, which takes a moment.
        if stack is not None:
            stack.kill()
        if services is not None:
            services.stop()
    state.close()


def _stop_on_signals() -> None:
    def request_stop(number: int, frame: FrameType | None) -> None:
        raise StopRequested

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, request_stop)
