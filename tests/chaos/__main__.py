"""`make chaos`: the storm, the calm after it, and what the books say. Exit 0 where every law held.

CHAOS_SECONDS (600), CHAOS_CUSTOMERS (12) and CHAOS_SEED choose how long, how many and which; CHAOS_LOGS is a folder for what the processes
wrote; CHAOS_SABOTAGE (sabotage.py) breaks the product, to see that it is found.
"""

import os
import random
import sys
import time
from pathlib import Path

import django

from tests.chaos.world import World, running_world, wait_until_ready
from wallet_billing.local.console import Console

HEAL_SECONDS_MAX = 120.0
FAULTS_SHOWN = 20


def main() -> int:
    """Builds a world, lets it blow, and says what came of it."""
    seconds, customers = float(os.environ.get("CHAOS_SECONDS") or 600), int(os.environ.get("CHAOS_CUSTOMERS") or 12)
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(1_000_000))
    console = Console()
    console.say(f"Chaos for {seconds:.0f} s over {customers} workspaces, CHAOS_SEED={seed}")
    begun = time.monotonic()
    with running_world() as world:
        django.setup()
        faults = _run(world, console=console, seconds=seconds, customers=customers, seed=seed, begun=begun)
        if kept := os.environ.get("CHAOS_LOGS"):
            _keep_logs(world, Path(kept))
    for fault in faults[:FAULTS_SHOWN]:
        console.say(f"  BROKEN  {fault}")
    console.say(f"{len(faults)} laws broken" if faults else "Every law held.")
    return 1 if faults else 0


def _run(world: World, *, console: Console, seconds: float, customers: int, seed: int, begun: float) -> list[str]:
    # Django's models can only be read now that its settings have a database.
    from tests.chaos.cast import assemble
    from tests.chaos.figures import calls_for_help, figures_of, printed
    from tests.chaos.healing import heal
    from tests.chaos.people import People
    from tests.chaos.reporter import Reporter
    from tests.chaos.storm import Storm

    world.sandbox.reset(seed=seed)
    cast = assemble(world.sandbox, customers=customers, seed=seed)
    wait_until_ready(world)
    reporter, people = Reporter(world, cast), People(world, cast)
    cast.tally.add("seconds to start", round(time.monotonic() - begun))
    for thread in (reporter, people):
        thread.start()
    Storm(world, cast).blow(seconds=seconds)
    cast.stop.set()
    for thread in (reporter, people):
        thread.join(60)
        if thread.is_alive() or not thread.ended_well:
            cast.tally.fault(f"the {thread.name} ended before their time")
    cast.tally.faults += heal(world, cast, reporter, people, seconds_max=HEAL_SECONDS_MAX)
    cast.tally.faults += calls_for_help(world)
    console.say(printed(figures_of(world, cast, reporter)))
    return cast.tally.faults


def _keep_logs(world: World, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for log in world.state.folder("logs").glob("*.log*"):
        (folder / log.name).write_bytes(log.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
