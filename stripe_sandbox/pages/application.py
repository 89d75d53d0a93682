"""The hosted pages as a WSGI application. The running sandbox is handed to each request in its environment."""

import logging
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application

from stripe_sandbox.pages import settings as own_settings
from stripe_sandbox.store import Sandbox

SANDBOX = "stripe_sandbox.sandbox"


def configure() -> None:
    """Django's settings, once per process, without its environment variable: the product's must never be picked up here."""
    # A declined card is this program's daily bread, not a warning.
    logging.getLogger("django.request").setLevel(logging.ERROR)
    if not settings.configured:
        settings.configure(**{name: value for name, value in vars(own_settings).items() if name.isupper()})
        django.setup(set_prefix=False)


def pages_application(sandbox: Sandbox) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    configure()
    application = get_wsgi_application()

    def with_sandbox(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[SANDBOX] = sandbox
        return application(environ, start_response)

    return with_sandbox
