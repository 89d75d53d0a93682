"""The kill switch of automatic payments, for whoever is on call: status, pause, resume."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from wallet.services.charging_switch import charging_switch, set_charging


class Command(BaseCommand):
    """`charging status` exits 1 while charging is paused, so that a monitor can ask."""

    help = "Shows, pauses or resumes automatic payments of all wallets. Takes effect before the very next charge."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("status", help="Say whether cards are charged, and since when not.")
        pause = actions.add_parser("pause", help="Charge no card any more, on any process.")
        pause.add_argument("--reason", required=True, help="Why, in a sentence for whoever finds it paused.")
        actions.add_parser("resume", help="Charge again; what was due meanwhile is decided anew.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "pause":
            reason = options["reason"].strip()
            if not 0 < len(reason) <= 200:
                raise CommandError("Give a reason of 1 to 200 characters.")
            set_charging(paused=True, reason=reason)
        elif options["action"] == "resume":
            set_charging(paused=False)
        self._tell(is_question=options["action"] == "status")

    def _tell(self, *, is_question: bool) -> None:
        switch = charging_switch()
        if switch.paused_at is None:
            self.stdout.write("Automatic payments are charged.")
            return
        self.stdout.write(f"Automatic payments are paused since {switch.paused_at:%Y-%m-%d %H:%M} UTC: {switch.reason}")
        if is_question:
            raise SystemExit(1)
