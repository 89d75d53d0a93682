"""`manage.py close_review`: ends a top-up in manual review, for which nothing was charged, so that its wallet can be charged again."""

from typing import Any
from uuid import UUID

from django.core.management import BaseCommand, CommandError

from wallet.errors import AlreadyResolved, GatewayError
from wallet.models import TopUp
from wallet.services.top_ups import close_review

REASON_CHARACTERS_MAX = 500


class Command(BaseCommand):
    """While a top-up waits for a person, automatic payments of its wallet wait too. Without an id it lists what waits."""

    help = "Lists top-ups in manual review, or closes one after you have looked at Stripe. What Stripe did charge is credited."

    def add_arguments(self, parser: Any) -> None:
        """Which, and why."""
        parser.add_argument("top_up", nargs="?", help="the top-up's id, as the alert names it")
        parser.add_argument("--reason", default="", help="what you found at Stripe, for the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError, with what to do instead."""
        if options["top_up"] is None:
            return self._list()
        reason = options["reason"].strip()
        if not 0 < len(reason) <= REASON_CHARACTERS_MAX:
            raise CommandError(f"Say with --reason what you found at Stripe, in 1 to {REASON_CHARACTERS_MAX} characters.")
        top_up = _found(options["top_up"])
        try:
            closed = close_review(top_up, reason=reason)
        except (AlreadyResolved, GatewayError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{closed.pk} is {closed.status}.")
        return None

    def _list(self) -> None:
        waiting = TopUp.objects.filter(status=TopUp.Status.MANUAL_REVIEW).select_related("wallet__workspace").order_by("created_at")
        for top_up in waiting:
            payment = top_up.payment_intent_id or "no payment known"
            self.stdout.write(
                f"{top_up.pk} {top_up.wallet.workspace.public_id} {top_up.origin} {top_up.created_at:%Y-%m-%d %H:%M} {payment}"
            )
        if not waiting:
            self.stdout.write("Nothing is in manual review.")


def _found(text: str) -> TopUp:
    try:
        return TopUp.objects.select_related("wallet__workspace", "card").get(pk=UUID(text))
    except (ValueError, TopUp.DoesNotExist) as error:
        raise CommandError(f"There is no top-up {text}.") from error
