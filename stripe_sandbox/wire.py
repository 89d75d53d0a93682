"""Connections handled below HTTP: reset, or left without an answer. Needs the server of server.py under it."""

import select
import socket
import struct
import time
from typing import NoReturn
from wsgiref.simple_server import WSGIRequestHandler

from django.http import HttpRequest

# Where server.py puts itself in the request's environment.
HANDLER = "stripe_sandbox.handler"
_LOOK_EVERY_SECONDS = 0.2
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def drop_connection(request: HttpRequest) -> NoReturn:
    """Reset it: the client sees neither an answer nor an orderly end. The server takes this exception for a client that has gone."""
    handler: WSGIRequestHandler = request.META[HANDLER]
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    handler.close_connection = True
    raise ConnectionResetError("reset on purpose, by a fault")


def hang_up_later(request: HttpRequest, *, seconds: float) -> NoReturn:
    """Say nothing until the client has gone or the time is over."""
    connection: socket.socket = request.META[HANDLER].connection
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        readable, _, _ = select.select([connection], [], [], _LOOK_EVERY_SECONDS)
        if readable and not connection.recv(1, socket.MSG_PEEK):
            break
    drop_connection(request)
