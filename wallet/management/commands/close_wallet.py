"""`manage.py close_wallet ws_…`: no more money comes in and no use begins. Acts through services.wallets alone."""

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from wallet.models import Wallet
from wallet.money import format_exact
from wallet.services.wallets import close_wallet


class Command(BaseCommand):
    """Moves no money: what is left in the wallet is for the operator to give back, at Stripe."""

    help = "Closes a workspace's wallet: its payment links stop working, open ones are ended, and no call or task starts any more."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose wallet."""
        parser.add_argument("workspace", help="The workspace's public id, ws_…")

    def handle(self, *args: Any, **options: Any) -> None:
        """Says what is left in it. Raises CommandError where there is no such wallet."""
        wallet = Wallet.objects.filter(workspace__public_id=options["workspace"]).first()
        if wallet is None:
            raise CommandError(f"No workspace with the public id {options['workspace']} has a wallet.")
        closed = close_wallet(wallet)
        left = format_exact(closed.balance_micros, currency=closed.currency)
        self.stdout.write(f"The wallet of {options['workspace']} is closed. {left} is left in it.")
