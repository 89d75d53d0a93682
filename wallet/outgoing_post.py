"""Sends one webhook over HTTP, to the very addresses that were found open: no second look-up, no redirect, no proxy.

Every wait ends at one deadline, and what is read has an end too: whoever answers is a stranger.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from wallet.errors import TargetSilent
from wallet.outgoing_targets import Target

ANSWER_SECONDS_MAX = 5.0
"""From the first connection to the last byte that is read."""
BODY_BYTES_MAX = 64 * 1024
READ_BYTES_MAX = 2 * BODY_BYTES_MAX
"""Of an answer with its status line and headers."""


@dataclass(frozen=True)
class Answer:
    """What came back: the status, and the body as far as it was read."""

    status: int
    body: bytes


def post(target: Target, *, addresses: Sequence[str], body: bytes, headers: Mapping[str, str]) -> Answer:
    """The answer of the first of the addresses that takes the connection.

    Certificate and Host are those of the target's name. Raises: TargetSilent.
    """
    deadline = time.monotonic() + ANSWER_SECONDS_MAX
    try:
        with _connect(target, addresses, deadline=deadline) as connected:
            return _ask(_BoundedSocket(connected, deadline=deadline), target, body=body, headers=headers)
    except TimeoutError:
        raise TargetSilent(f"There was no answer within {ANSWER_SECONDS_MAX:g} seconds.") from None
    except (OSError, http.client.HTTPException) as error:
        raise TargetSilent(_said(error)) from None


def _ask(connected: "_BoundedSocket", target: Target, *, body: bytes, headers: Mapping[str, str]) -> Answer:
    connection = http.client.HTTPConnection(target.host, target.port)
    # It is given a socket that stands, and never opens one itself: that would look the name up again.
    connection.auto_open, connection.sock = 0, connected
    connection.request("POST", target.path, body=body, headers={"Host": target.host_header, **headers, "Connection": "close"})
    response = connection.getresponse()
    return Answer(status=response.status, body=_beginning(response))


def _beginning(response: http.client.HTTPResponse) -> bytes:
    """The status says whether the message was taken: a body that is cut off, or never ends, changes nothing in that."""
    try:
        return response.read(BODY_BYTES_MAX)
    except (OSError, http.client.HTTPException):
        return b""


def _connect(target: Target, addresses: Sequence[str], *, deadline: float) -> socket.socket:
    failure: OSError = TimeoutError()
    for tried, address in enumerate(addresses):
        # The last one may use up what time there is; none before it may leave nothing to the others.
        seconds = _rest(deadline) / (len(addresses) - tried)
        try:
            return _secured(target, socket.create_connection((address, target.port), timeout=seconds), deadline=deadline)
        except ssl.SSLError:
            raise
        except OSError as error:
            failure = error
    raise failure


def _secured(target: Target, plain: socket.socket, *, deadline: float) -> socket.socket:
    if target.scheme != "https":
        return plain
    plain.settimeout(_rest(deadline))
    try:
        return _tls().wrap_socket(plain, server_hostname=target.host)
    except BaseException:
        plain.close()
        raise


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _rest(deadline: float) -> float:
    rest = deadline - time.monotonic()
    if rest <= 0:
        raise TimeoutError
    return rest


def _said(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"The certificate was refused: {error.verify_message}."
        case ssl.SSLError():
            return f"There was no secure connection: {error.reason or 'it was cut off'}."
        case ConnectionRefusedError():
            return "The connection was refused."
        case ConnectionError():
            return "The connection was cut off before there was an answer."
        case http.client.HTTPException():
            return "The answer was no HTTP."
    return f"There was no connection: {getattr(error, 'strerror', None) or 'no way there'}."


class _BoundedSocket:
    """What http.client asks of a socket. Reads until the deadline, not for as long as a byte comes now and then."""

    def __init__(self, connected: socket.socket, *, deadline: float) -> None:
        self._connected, self._deadline = connected, deadline

    def sendall(self, data: bytes) -> None:
        self._connected.settimeout(_rest(self._deadline))
        self._connected.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReader(self._connected, deadline=self._deadline))

    def close(self) -> None:
        """http.client closes as soon as it has read the headers; whoever connected closes once the body is read too."""


class _BoundedReader(io.RawIOBase):
    """A socket's bytes up to a deadline and a number; what is beyond the number is as good as not sent."""

    def __init__(self, connected: socket.socket, *, deadline: float) -> None:
        self._connected, self._deadline, self._left = connected, deadline, READ_BYTES_MAX

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connected.settimeout(_rest(self._deadline))
        number = self._connected.recv_into(buffer, min(len(buffer), self._left)) if self._left else 0
        self._left -= number
        return number
