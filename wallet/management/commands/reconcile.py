"""`manage.py reconcile`: Stripe, the ledger and the cached balances agree, or what does not is listed. Corrects only what Stripe proves."""

from datetime import timedelta
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import OperationalError

from wallet.errors import GatewayError
from wallet.management.progress import ProgressLine
from wallet.models import Discrepancy
from wallet.services.nightly import reconcile

DIFFERS, NOT_COMPARED = 1, 2
DAYS_MAX = 400


class Command(BaseCommand):
    """Exit status: 0 where all agrees, 1 where something does not, 2 where it could not be found out."""

    help = "Compares Stripe, the ledger and the cached balances: exits 0 with one line, or 1 with a list of what to look at."

    def add_arguments(self, parser: Any) -> None:
        """How far back, and how much to say."""
        parser.add_argument("--days", type=int, default=35, help=f"how far back Stripe is asked, 1 to {DAYS_MAX} (default 35)")
        parser.add_argument("--progress", action="store_true", help="show progress although nobody watches a terminal")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError, with the exit status above, unless all agrees."""
        if not 1 <= options["days"] <= DAYS_MAX:
            raise CommandError(f"--days takes 1 to {DAYS_MAX}.", returncode=NOT_COMPARED)
        line = ProgressLine(self.stderr, asked_for=options["progress"])
        try:
            run = reconcile(timedelta(days=options["days"]), tell=line.tell)
        except GatewayError as error:
            raise CommandError(f"Stripe gave no answer, so nothing was compared: {error}", returncode=NOT_COMPARED) from error
        except OperationalError as error:
            raise CommandError(f"The books could not be compared: {str(error).strip()}", returncode=NOT_COMPARED) from error
        finally:
            line.clear()
        for discrepancy in Discrepancy.objects.filter(closed_at=None).select_related("wallet__workspace").order_by("first_seen_at"):
            where = f" ({discrepancy.wallet.workspace.public_id})" if discrepancy.wallet else ""
            self.stdout.write(f"{discrepancy.get_kind_display()}{where}: {discrepancy.words}\n  {discrepancy.what_to_do}")
        if run.discrepancies:
            raise CommandError(f"The books do not match: {run.discrepancies} to look at.", returncode=DIFFERS)
        self.stdout.write(f"books match Stripe: {run.movements} movements since {run.since:%Y-%m-%d}, {run.transfers} transfers")
