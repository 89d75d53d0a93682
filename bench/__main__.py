"""`make bench`: measures everything in one run, prints a table and writes bench/latest.json."""

import json
import os
import platform
import sys
from pathlib import Path

import django

from bench.machine import Machine, running_machine, shared_buffers_mb
from wallet_billing.local.console import Console

WALLETS = 100
LATEST = Path(__file__).with_name("latest.json")
GOALS = {
    "hot_wallet_ratio": ("≥", 0.40),
    "hundred_wallets_ratio": ("≥", 0.55),
    "page_growth_ratio": ("≤", 1.2),
    "page_growth_worst_ratio": ("≤", 1.2),
    "ingest_growth_ratio": ("≤", 1.2),
    "charge_p95_seconds": ("≤", 2.0),
}


def main() -> int:
    """Runs all of it; 0 also where a goal was missed, which the table says."""
    console = Console()
    with running_machine(console) as machine:
        django.setup()
        figures = _measure(machine, console)
    figures["machine"] = _machine()
    LATEST.write_text(json.dumps(figures, indent=2) + "\n")
    for line in _table(figures):
        console.say(line)
    return 0


def _measure(machine: Machine, console: Console) -> dict[str, object]:
    # Django's models can only be read now that its settings have a database.
    from bench.charges import measure_charges
    from bench.growth import LONG_ROWS, measure_growth
    from bench.holds import measure_holds
    from bench.ingest import measure_ingest, measure_single_events
    from bench.load import Client
    from bench.stage import set_stage

    stage = set_stage(wallets=WALLETS)

    def make_client() -> Client:
        return Client(port=machine.port, headers={"Authorization": f"Bearer {stage.secret}"})

    figures: dict[str, object] = {}
    with console.step("Reporting uses in batches, against COPY"):
        figures |= measure_ingest(stage, make_client)
    with console.step("Reporting uses one by one"):
        figures |= measure_single_events(stage, make_client)
    with console.step("Placing holds under load"):
        figures |= measure_holds(stage, make_client)
    with console.step("Charging saved cards"):
        figures |= measure_charges(make_client)
    console.say(f"  Writing a book of {LONG_ROWS:,} rows beside a short one")
    figures |= measure_growth(machine, make_client, console.say)
    return figures


def _machine() -> str:
    database = f"PostgreSQL with {shared_buffers_mb():,} MB of shared_buffers"
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {database}"


def _table(figures: dict[str, object]) -> list[str]:
    lines = ["", f"{'measured':34}{'value':>14}   goal"]
    for name, value in figures.items():
        goal = GOALS.get(name)
        told = (
            f"{value:,.3f}"
            if isinstance(value, float) and value < 100
            else f"{value:,.0f}"
            if isinstance(value, int | float)
            else str(value)
        )
        lines.append(f"{name:34}{told:>14}   {f'{goal[0]} {goal[1]}' if goal else ''}".rstrip())
    return lines


if __name__ == "__main__":
    sys.exit(main())
