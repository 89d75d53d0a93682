"""Which addresses a webhook may be sent to. Strangers choose them, so none may lead into the operator's own network.

Pure rules, and one look-up of the name. Whoever connects takes what was found here and looks nothing up again.
"""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

from wallet.errors import TargetRefused, TargetSilent

URL_CHARACTERS_MAX = 500
ADDRESSES_TRIED_MAX = 3
LOOK_UP_SECONDS_MAX = 3.0
"""Whoever chooses the name runs its name server as well, and the system's resolver waits for that one much longer."""
LOOK_UPS_AT_ONCE = 8
"""Of one process. One that is not waited for any more goes on until the resolver gives up: so many may do so at once."""
DEFAULT_PORTS = {"https": 443, "http": 80}

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

_URL = re.compile(rf"[\x21-\x7e]{{1,{URL_CHARACTERS_MAX}}}")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
# What other programs read as an IPv4 address: 127.1, 0x7f000001, 0177.0.0.1, 2130706433.
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")

_NAT64 = IPv6Network("64:ff9b::/96")
_PUBLIC_V6 = IPv6Network("2000::/3")
_INSIDE: Networks = (
    *map(IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    *map(IPv6Network, ("::1/128", "fc00::/7")),
)
"""What the operator may allow. Link-local addresses are never allowed: cloud machines hand out their credentials there."""
_CLOSED: Networks = (
    # Where Azure, Alibaba, AWS and Google serve a machine's own metadata beside 169.254.169.254.
    *map(IPv4Network, ("168.63.129.16/32", "100.100.100.200/32")),
    *map(IPv6Network, ("fd00:ec2::/32", "fd20:ce::/32")),
    # Not for the public, although not every Python's tables say so.
    *map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24")),
    *map(IPv6Network, ("3fff::/20", "5f00::/16")),
)

# Its threads begin with the first look-up: a worker that is forked before that has its own.
_look_ups = ThreadPoolExecutor(LOOK_UPS_AT_ONCE, thread_name_prefix="look-up")
_NOT_REACHED = "No webhook can be sent to {host}: the name is not found, or it leads to an address that is not public."


@dataclass(frozen=True)
class Target:
    """An address taken apart: whom it names, and what is asked for there."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """The host as HTTP names it: an IPv6 address in brackets, the port only where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def read_target(url: str, *, private_allowed: bool) -> Target:
    """The address taken apart, where it is of a form that webhooks are sent to. Looks no name up. Raises: TargetRefused.

    https on port 443 alone; `private_allowed` lets http, other ports and the operator's own network pass.
    """
    if not _URL.fullmatch(url) or "\\" in url:
        raise TargetRefused(f"Give an address of at most {URL_CHARACTERS_MAX} plain characters, without spaces.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise TargetRefused("This is no address. One looks like https://example.com/webhooks.") from None
    schemes = ("https", "http") if private_allowed else ("https",)
    if parts.scheme not in schemes or not parts.hostname:
        raise TargetRefused(f"Give an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}.")
    if ("[" in parts.netloc) != (":" in parts.hostname):
        raise TargetRefused("Brackets hold an IPv6 address and nothing else.")
    if "@" in parts.netloc or "#" in url:
        raise TargetRefused("Leave user, password and # out of the address: the signature shows who sends.")
    usual = DEFAULT_PORTS[parts.scheme]
    if port is not None and port != usual and (not private_allowed or port == 0):
        raise TargetRefused(f"Leave the port out: webhooks are sent to port {usual}.")
    _check_host(parts.hostname, private_allowed=private_allowed)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme=parts.scheme, host=parts.hostname, port=port or usual, path=path)


def addresses_of(target: Target, *, private_allowed: bool) -> list[str]:
    """Where the name leads now: every address it has, none of them closed, and at most as many as are worth a try.

    Raises: TargetRefused where one of them is closed; TargetSilent where there is none. Both say the same, so that nobody
    learns from us which names the operator's own network has.
    """
    try:
        found = _look_ups.submit(_look_up, target).result(timeout=LOOK_UP_SECONDS_MAX)
    except (OSError, UnicodeError):  # A name server that did not answer in time is a TimeoutError, which is an OSError.
        raise TargetSilent(_NOT_REACHED.format(host=target.host)) from None
    addresses = list(dict.fromkeys(str(socket_address[0]) for *_, socket_address in found))
    if not addresses:
        raise TargetSilent(_NOT_REACHED.format(host=target.host))
    if not all(is_open(ip_address(address), private_allowed=private_allowed) for address in addresses):
        raise TargetRefused(_NOT_REACHED.format(host=target.host))
    return addresses[:ADDRESSES_TRIED_MAX]


def _look_up(target: Target) -> list[Any]:
    return socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)


def is_open(address: Address, *, private_allowed: bool) -> bool:
    """Whether a webhook may be sent there. An IPv6 address that stands for an IPv4 one is as open as that."""
    if (inner := _embedded(address)) is not None:
        return is_open(inner, private_allowed=private_allowed)
    if any(address in network for network in _CLOSED):
        return False
    if any(address in network for network in _INSIDE):
        return private_allowed
    if address.is_multicast or not address.is_global:
        return False
    return address.version == 4 or address in _PUBLIC_V6


def _check_host(host: str, *, private_allowed: bool) -> None:
    try:
        address = ip_address(host)
    except ValueError:
        if _ENDS_IN_A_NUMBER.fullmatch(host) or not _NAME.fullmatch(host):
            raise TargetRefused("Write the host as a plain name, as in example.com, and one with other letters as xn--….") from None
        return
    if not is_open(address, private_allowed=private_allowed):
        raise TargetRefused(_NOT_REACHED.format(host=host))


def _embedded(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
