"""Ports and addresses of this machine."""

import socket

from wallet_billing.local.errors import LaunchError


def free_port() -> int:
    """A port on loopback that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def demand_free(port: int, *, host: str, what: str, how: str) -> None:
    """Raises LaunchError with `how` to choose another port where this one cannot be listened on."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise LaunchError(f"Port {port} for {what} is not ours to open: {how}") from error
        except OSError as error:
            raise LaunchError(f"Port {port} for {what} is taken: {how}") from error


def lan_address() -> str:
    """This machine's address on its network. Raises LaunchError where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing: it asks the kernel for the route. The address is one reserved for documentation.
            probe.connect(("192.0.2.1", 9))
        except OSError as error:
            raise LaunchError("LAN=1 needs a network, and this machine has no route to one: join one, or run without LAN=1.") from error
        address: str = probe.getsockname()[0]
    if address.startswith("127."):
        raise LaunchError("LAN=1 needs a network, and this machine only knows itself: join one, or run without LAN=1.")
    return address
