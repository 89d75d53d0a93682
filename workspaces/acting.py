"""Who is acting: known from the request's beginning to its end, so that the audit log can say it of whatever is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from django.http import HttpRequest, HttpResponse

from workspaces.models import ApiKey, AuditEntry, User

ActorKind = AuditEntry.ActorKind


@dataclass(frozen=True)
class Actor:
    """A person, a key, a payer without an account, or a part of the system; with the address they came from."""

    kind: AuditEntry.ActorKind
    label: str
    user: User | None = None
    address: str | None = None
    is_in_console: bool = False


CONSOLE = "/admin/"
"""Whoever acts below this address acts for the operator, not for a workspace of theirs."""
SYSTEM = Actor(ActorKind.SYSTEM, "system")

_actor: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


def current_actor() -> Actor:
    """Whoever is acting in this thread now; the system where nobody asked."""
    return _actor.get()


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """For the time of the block, what is done is done by that actor."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


def act_by_key(api_key: ApiKey) -> None:
    """From here on the request acts by its key; within ActorOfRequest, which forgets it."""
    _actor.set(replace(_actor.get(), kind=ActorKind.API_KEY, label=api_key.prefix, user=None))


class ActorOfRequest:
    """Stands behind AuthenticationMiddleware, so that the person is known."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answers with the actor known."""
        with acting_as(_actor_of(request)):
            return self._get_response(request)


def _actor_of(request: HttpRequest) -> Actor:
    address = request.META.get("REMOTE_ADDR") or None
    # Asking for the user reads the session: requests without one are not made to have one.
    if request.COOKIES and request.user.is_authenticated:
        return Actor(ActorKind.PERSON, request.user.email, request.user, address, is_in_console=request.path.startswith(CONSOLE))
    return Actor(ActorKind.PAYER, "not signed in", None, address)
