"""`manage.py webhook_endpoint`: the platform's own endpoints, which hear of every workspace. Acts through services alone."""

from collections.abc import Callable
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from wallet.errors import WalletError
from wallet.models import CHOSEN_TYPES, EventType, WebhookEndpoint
from wallet.outgoing_queries import endpoints_of
from wallet.services import deliveries, webhook_endpoints

SUMMARY = {
    "disable": "Send nothing to it any more; what waits is given up.",
    "enable": "Send to it again what happens from now on.",
    "test": "Send it a test message.",
    "resend": "Send it again what was given up.",
    "remove": "Forget it and its secret.",
}


class Command(BaseCommand):
    """Workspaces' endpoints are their owners' own; these are for whoever may run commands on the server."""

    help = "Adds, lists, tests, disables and removes the endpoints that are told what happens in all workspaces."

    def add_arguments(self, parser: CommandParser) -> None:
        """One sub-command for each act."""
        acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
        add = acts.add_parser("add", help="Add one, and print its secret.")
        add.add_argument("url", help="Where it listens, as in https://platform.example.com/webhooks.")
        add.add_argument("--event", action="append", default=[], choices=[kind.value for kind in CHOSEN_TYPES], help="All unless named.")
        add.add_argument("--description", default="", help="What it is for.")
        acts.add_parser("list", help="List those there are.")
        rotate = acts.add_parser("rotate", help="Make a new secret, and print it; the old one signs beside it for 24 hours.")
        rotate.add_argument("id", type=int)
        rotate.add_argument("--at-once", action="store_true", help="The old secret ends now: somebody else may know it.")
        for act, summary in SUMMARY.items():
            acts.add_parser(act, help=summary).add_argument("id", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        """A secret alone goes to standard output, so that it can be piped into a secret store; what is said about it to standard error."""
        for_one: dict[str, Callable[[WebhookEndpoint, dict[str, Any]], None]] = {
            "rotate": self._rotate,
            "disable": self._disable,
            "enable": self._enable,
            "test": self._test,
            "resend": self._resend,
            "remove": self._remove,
        }
        try:
            if options["act"] in for_one:
                for_one[options["act"]](_endpoint(options["id"]), options)
            elif options["act"] == "add":
                self._add(options)
            else:
                self._list()
        except WalletError as error:
            raise CommandError(str(error)) from error

    def _add(self, options: dict[str, Any]) -> None:
        made = webhook_endpoints.add_endpoint(
            None,
            url=options["url"],
            description=options["description"],
            event_types=[EventType(kind) for kind in options["event"]],
            created_by=None,
        )
        self.stderr.write(f"Endpoint {made.endpoint.pk} hears of {_hears_of(made.endpoint)}. Its signing secret:")
        self.stdout.write(made.secret)

    def _list(self) -> None:
        endpoints = endpoints_of(None)
        for endpoint in endpoints:
            self.stdout.write(f"{endpoint.pk} {_state(endpoint)} · {endpoint.url} · {_hears_of(endpoint)} · {endpoint.description or '-'}")
        if not endpoints:
            self.stderr.write("The platform has no endpoints. `webhook_endpoint add` adds one.")

    def _rotate(self, endpoint: WebhookEndpoint, options: dict[str, Any]) -> None:
        secret = webhook_endpoints.rotate_secret(endpoint, old_signs_on=not options["at_once"])
        self.stderr.write("The old secret signs nothing any more." if options["at_once"] else "The old secret signs too, for 24 hours.")
        self.stdout.write(secret)

    def _disable(self, endpoint: WebhookEndpoint, options: dict[str, Any]) -> None:
        webhook_endpoints.switch_off(endpoint)
        self.stdout.write(f"Nothing is sent to {endpoint.url} any more.")

    def _enable(self, endpoint: WebhookEndpoint, options: dict[str, Any]) -> None:
        webhook_endpoints.switch_on(endpoint)
        self.stdout.write(f"What happens from now on is sent to {endpoint.url}.")

    def _test(self, endpoint: WebhookEndpoint, options: dict[str, Any]) -> None:
        delivery = webhook_endpoints.send_test(endpoint)
        self.stdout.write(f"The message {delivery.event_id} is on its way to {endpoint.url}.")

    def _resend(self, endpoint: WebhookEndpoint, options: dict[str, Any]) -> None:
        self.stdout.write(f"{deliveries.send_failed_again(endpoint)} messages are on their way again to {endpoint.url}.")

    def _remove(self, endpoint: WebhookEndpoint, options: dict[str, Any]) -> None:
        webhook_endpoints.remove_endpoint(endpoint)
        self.stdout.write(f"{endpoint.url} is forgotten.")


def _endpoint(pk: int) -> WebhookEndpoint:
    endpoint = endpoints_of(None).filter(pk=pk).first()
    if endpoint is None:
        raise CommandError(f"The platform has no endpoint {pk}. `webhook_endpoint list` shows those it has.")
    return endpoint


def _state(endpoint: WebhookEndpoint) -> str:
    if endpoint.disabled_at is not None:
        return f"disabled since {endpoint.disabled_at:%Y-%m-%d %H:%M} UTC ({endpoint.disabled_reason})"
    if endpoint.failing_since is not None:
        return f"failing since {endpoint.failing_since:%Y-%m-%d %H:%M} UTC ({endpoint.failures} attempts)"
    return "active"


def _hears_of(endpoint: WebhookEndpoint) -> str:
    return ", ".join(endpoint.event_types) or "everything"
