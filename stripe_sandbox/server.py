"""Two listening sockets in one process: the API with its control endpoint on loopback, and the hosted pages.

Django's own threaded server, a thread per connection: one process to kill, port 0, and a socket that faults can reset.
It is for one machine and one team, never for the internet.
"""

import errno
import ipaddress
import json
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from django.core.handlers.wsgi import WSGIRequest
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.http import HttpResponse

from stripe_sandbox import api, control, wire
from stripe_sandbox.background import Background
from stripe_sandbox.config import Config
from stripe_sandbox.store import Sandbox, Store

IDLE_SECONDS_MAX = 75.0
BODY_BYTES_MAX = 1_000_000
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 -- compared with, never bound by default: LAN=1 alone opens the hosted pages to the network
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class PortTaken(Exception):
    """Somebody else listens there."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"Port {port} is taken: another program (perhaps a second Stripe sandbox) listens there. Stop it, or choose another port."
        )


class _Handler(WSGIRequestHandler):
    """One connection. Silent, without Nagle's delay, and known to the application, so that a fault can cut it."""

    timeout = IDLE_SECONDS_MAX
    disable_nagle_algorithm = True
    wbufsize = -1

    def get_environ(self) -> WSGIEnvironment:
        return {**super().get_environ(), wire.HANDLER: self}

    def handle(self) -> None:
        # Without the orderly shutdown of Django's own: a connection that is to be reset must not be ended politely first.
        self.close_connection = True
        try:
            self.handle_one_request()
            while not self.close_connection:
                self.wfile.flush()
                self.handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def log_message(self, *_: Any, **__: Any) -> None:
        """Requests are kept in the store's log, where tests can ask for them."""


class _Server(ThreadedWSGIServer):
    request_queue_size = 128

    def shutdown_request(self, request: Any) -> None:
        # No polite half-close either, for the same reason; closing does the rest.
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news; anything else was answered and logged by the application."""


def _api_application(sandbox: Sandbox) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = WSGIRequest(environ)
        response = _answer(request, sandbox=sandbox)
        response.headers["Content-Length"] = str(len(response.content))
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return [response.content]

    return application


def _answer(request: WSGIRequest, *, sandbox: Sandbox) -> HttpResponse:
    # A page in a browser on this machine must not reach the API by a name that its own DNS points here.
    if request.META.get("HTTP_HOST", "").rsplit(":", 1)[0] not in _LOOPBACK_NAMES:
        return HttpResponse("Ask for 127.0.0.1 or localhost.", status=403, content_type="text/plain")
    length = str(request.META.get("CONTENT_LENGTH") or 0)
    if not length.isdigit() or int(length) > BODY_BYTES_MAX:
        return HttpResponse("Too large.", status=413, content_type="text/plain")
    if request.path.startswith("/_control/"):
        return control.serve(request, sandbox=sandbox)
    return api.serve(request, sandbox=sandbox)


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where to listen, and what the hosted pages are called from outside (empty: by where they listen)."""

    port: int
    checkout_host: str
    checkout_port: int
    checkout_url: str


def listen(host: str, port: int) -> _Server:
    """A bound server without an application. Raises PortTaken."""
    try:
        return _Server((host, port), _Handler, ipv6=":" in host)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(port) from None
        raise


def is_loopback(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback


def run(addresses: Addresses, *, settings: dict[str, Any]) -> None:
    """Listen, say where in one line of JSON, and serve until the process ends. `settings` are Config's, without the address."""
    api_server = listen("127.0.0.1", addresses.port)
    pages_server = listen(addresses.checkout_host, addresses.checkout_port)
    api_port, pages_port = (server.socket.getsockname()[1] for server in (api_server, pages_server))
    own_host = "127.0.0.1" if addresses.checkout_host in _EVERYWHERE else addresses.checkout_host
    own_url = f"http://{own_host}:{pages_port}"
    config = Config(checkout_url=addresses.checkout_url.rstrip("/") or own_url, **settings)
    sandbox = Sandbox(config=config, store=Store(config.state_dir))

    # Imported late: it builds Django's application, and the sandbox must exist by then.
    from stripe_sandbox.pages.application import pages_application

    api_server.set_app(_api_application(sandbox))
    pages_server.set_app(pages_application(sandbox))
    Background(sandbox).start()
    for server in (api_server, pages_server):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(json.dumps({"api": f"http://127.0.0.1:{api_port}", "checkout": config.checkout_url}) + "\n")
    sys.stdout.flush()
    threading.Event().wait()
