"""`manage.py book_dispute`: disputes in another currency than their wallet's, listed and booked. Acts through services.disputes alone."""

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from wallet.errors import WalletError
from wallet.models import Dispute
from wallet.money import MoneyError, format_money, parse_amount
from wallet.services.disputes import book_dispute

LISTED_MAX = 200


class Command(BaseCommand):
    """Books what Stripe has taken, and later what it gives back, at the amount that is said here."""

    help = "Lists the disputes that wait for their amount in the wallet's currency; with a dispute and an amount, books it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Neither to list, both to book."""
        parser.add_argument("dispute", nargs="?", default="", help="Stripe's id of the dispute, du_…")
        parser.add_argument("amount", nargs="?", default="", help="What it is in the wallet's currency, as in 18.40.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError where the dispute cannot be booked so."""
        if not options["dispute"]:
            return self._list()
        dispute = Dispute.objects.select_related("wallet").filter(stripe_dispute_id=options["dispute"]).first()
        if dispute is None:
            raise CommandError(f"No dispute {options['dispute']} is known here.")
        currency = dispute.wallet.currency
        try:
            amount_micros = parse_amount(options["amount"], currency=currency)
            booked = book_dispute(dispute.stripe_dispute_id, amount_micros=amount_micros)
        except (MoneyError, WalletError) as error:
            raise CommandError(str(error)) from error
        taken, returned = (format_money(micros, currency=currency) for micros in (booked.withdrawn_micros, booked.reinstated_micros))
        self.stdout.write(f"The dispute {booked.stripe_dispute_id} is {booked.status}: {taken} taken, {returned} put back.")
        return None

    def _list(self) -> None:
        waiting = Dispute.objects.select_related("wallet__workspace", "top_up").exclude(waits_because="").order_by("created_at")
        if not waiting:
            self.stderr.write("No dispute waits for its amount.")
        for dispute in waiting[:LISTED_MAX]:
            paid = format_money(dispute.top_up.amount_micros, currency=dispute.wallet.currency)
            self.stdout.write(
                f"{dispute.stripe_dispute_id} {dispute.status} · {dispute.wallet.workspace.public_id}"
                f" · receipt {dispute.top_up.receipt_number} of {paid} · {dispute.waits_because}"
            )
