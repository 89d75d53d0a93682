"""`manage.py journal`: the accounting journal of some days as CSV on standard output."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management import BaseCommand, CommandError

from wallet.management.progress import ProgressLine
from wallet.services.journal import journal_lines


class Command(BaseCommand):
    """Reads only; safe while all runs."""

    help = "Writes what each account gave and took, by day and currency, as CSV: manage.py journal 2026-10-01 2026-10-31 > october.csv"

    def add_arguments(self, parser: Any) -> None:
        """The period, and whose days they are."""
        parser.add_argument("first_day", help="as in 2026-10-01")
        parser.add_argument("last_day", help="as in 2026-10-31; it is included")
        parser.add_argument("--zone", default="UTC", help="whose midnights count, as in Europe/Berlin (default UTC)")
        parser.add_argument("--progress", action="store_true", help="show progress although nobody watches a terminal")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError, with what to write instead, for days and zones that there are not."""
        progress = ProgressLine(self.stderr, asked_for=options["progress"])
        try:
            days = {name: date.fromisoformat(options[name]) for name in ("first_day", "last_day")}
            zone = ZoneInfo(options["zone"])
            for line in journal_lines(**days, zone=zone, progress=progress.share_of("adding up the journal", "rows")):
                progress.clear()
                self.stdout.write(line, ending="")
        except (ZoneInfoNotFoundError, IsADirectoryError) as error:
            raise CommandError(f"There is no time zone {options['zone']!r}. One looks like Europe/Berlin.") from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        finally:
            progress.clear()
