"""`manage.py show_configuration`: the table of environment variables as docs/configuration.md holds it."""

from typing import Any

from django.core.management import BaseCommand

from wallet_billing.variables import VARIABLES, Variable

HEAD = """# Configuration

Everything is set by environment variables. They are checked at the start: one that is missing or wrong stops it with a sentence
that says what to set. This page is written by `make -s manage do=show_configuration > docs/configuration.md`,
while `make run` or `make services` runs.

| Variable | What it is | If unset | Example |
| --- | --- | --- | --- |
"""


class Command(BaseCommand):
    """Prints and changes nothing."""

    help = "Prints every environment variable that the product reads, as the Markdown of docs/configuration.md."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Writes the page to standard output."""
        self.stdout.write(page(), ending="")


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_row(variable) for variable in VARIABLES)


def _row(variable: Variable) -> str:
    unset = "must be set" if variable.default is None else f"`{variable.default}`" if variable.default else "none"
    cells = (f"`{variable.name}`", variable.meaning, unset, f"`{variable.example}`")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
