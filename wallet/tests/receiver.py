"""A real HTTP receiver on loopback, as a platform would run one, and a name service that answers what a test wants."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook


@dataclass(frozen=True)
class Received:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: str

    def verified(self, secret: str) -> Any:
        """The message, checked by the library that a receiver would use. Raises WebhookVerificationError."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """What it was sent, and how it answers: `statuses` one after the other, then `status`."""

    url: str
    received: list[Received] = field(default_factory=list)
    status: int = 200
    statuses: list[int] = field(default_factory=list)
    body: bytes = b"thanks"
    headers: dict[str, str] = field(default_factory=dict)

    def next_status(self) -> int:
        return self.statuses.pop(0) if self.statuses else self.status


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    """Listens on a free port of loopback until the end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            receiver.received.append(Received(self.path, {name.lower(): value for name, value in self.headers.items()}, text))
            self.send_response(receiver.next_status())
            for name, value in {"Content-Length": str(len(receiver.body)), **receiver.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(receiver.body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Whoever has enough of an answer hangs up."""

    server = Server(("127.0.0.1", 0), Handler)
    receiver = Receiver(url=f"http://127.0.0.1:{server.server_port}/hooks")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Names:
    """Where names lead: look-ups of a name answer its lists in turn, and the last one for ever. Others are looked up in earnest."""

    lead_to: dict[str, list[list[str]]] = field(default_factory=dict)
    looked_up: list[str] = field(default_factory=list)

    def answer(self, host: str) -> list[str]:
        self.looked_up.append(host)
        answers = self.lead_to[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


@contextmanager
def made_up_names(patched: pytest.MonkeyPatch) -> Iterator[Names]:
    """In this process alone."""
    names, in_earnest = Names(), socket.getaddrinfo

    def look_up(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host not in names.lead_to:
            return in_earnest(host, port, *arguments, **options)
        found = [in_earnest(address, port, *arguments, **options) for address in names.answer(host)]
        return [entry for entries in found for entry in entries]

    patched.setattr(socket, "getaddrinfo", look_up)
    yield names
