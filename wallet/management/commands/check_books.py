"""`manage.py check_books`: proves that the books balance, or names what does not. Changes nothing; safe while all runs."""

from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import OperationalError

from wallet.management.progress import ProgressLine
from wallet.models import Wallet
from wallet.money import format_exact
from wallet.services.books import FAULTS_MAX, Outcome, check_books, installed_checks

OUT_OF_BALANCE, NOT_CHECKED = 1, 2


class Command(BaseCommand):
    """Exit status: 0 where all holds, 1 where something does not, 2 where it could not be found out."""

    help = "Proves that every book balances: exits 0 with one line, or 1 with the first fault, in words."

    def add_arguments(self, parser: Any) -> None:
        """What to look at, and how much to say of it."""
        parser.add_argument("--all", action="store_true", help=f"list every fault, up to {FAULTS_MAX}, not only the first")
        parser.add_argument("--wallet", metavar="WORKSPACE", help="look at one workspace's book alone, by its public id (ws_…)")
        parser.add_argument("--accounts", action="store_true", help="also print what came into each account, net")
        parser.add_argument("--progress", action="store_true", help="show progress although nobody watches a terminal")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError, with the exit status above, unless the books balance."""
        line = ProgressLine(self.stderr, asked_for=options["progress"])
        try:
            only = _wallet(options["wallet"]) if options["wallet"] else None
            faults_max = FAULTS_MAX if options["all"] else 1
            outcome = check_books(
                installed_checks(),
                only=only,
                faults_max=faults_max,
                progress=line.share_of("checking the books", "rows"),
                days_progress=line.share_of("checking the seals of all days", "days"),
            )
        except OperationalError as error:
            raise CommandError(f"The books could not be checked: {str(error).strip()}", returncode=NOT_CHECKED) from error
        finally:
            line.clear()
        if outcome.faults:
            self._tell_faults(outcome, all_of_them=options["all"])
        if options["accounts"]:
            self._tell_accounts(outcome)
        self.stdout.write(f"books balance: {_counted(outcome.wallets, 'wallet')}, {_counted(outcome.transfers, 'transfer')}")

    def _tell_faults(self, outcome: Outcome, *, all_of_them: bool) -> None:
        if not all_of_them:
            raise CommandError(f"The books do not balance. {outcome.faults[0]}", returncode=OUT_OF_BALANCE)
        for fault in outcome.faults:
            self.stdout.write(str(fault))
        more = " and perhaps more" if len(outcome.faults) >= FAULTS_MAX else ""
        raise CommandError(f"The books do not balance: {_counted(len(outcome.faults), 'fault')}{more}.", returncode=OUT_OF_BALANCE)

    def _tell_accounts(self, outcome: Outcome) -> None:
        for (currency, account), net_micros in sorted(outcome.accounts.items()):
            self.stdout.write(f"{currency.upper()} {account:<14} {format_exact(net_micros, currency=currency, signed=True):>24}")


def _wallet(public_id: str) -> Wallet:
    wallet = Wallet.objects.select_related("workspace").filter(workspace__public_id=public_id).first()
    if wallet is None:
        raise CommandError(f"No workspace with the public id {public_id!r} has a wallet.", returncode=NOT_CHECKED)
    return wallet


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
