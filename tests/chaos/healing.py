"""The calm after the storm: everything runs, Stripe answers, cards are good again, and the sweep does what was left undone."""

import time
from datetime import timedelta

from django.db import InterfaceError, OperationalError, connections

from tests.chaos import audit, clock
from tests.chaos.cast import Cast
from tests.chaos.people import People
from tests.chaos.reporter import Reporter
from tests.chaos.world import World

LOOK_SECONDS = 1.0
PASSES = timedelta(seconds=61)
RECONCILE_EVERY = 8


def heal(world: World, cast: Cast, reporter: Reporter, people: People, *, seconds_max: float) -> list[str]:
    """What is still wrong once nothing is wrong any more, or the time is over; the books are read last of all."""
    begun = time.monotonic()
    calm(world, cast, people)
    reporter.flush(until=begun + seconds_max)
    if reporter.waiting:
        return [f"{len(reporter.waiting)} events are still not accepted", *_everything(world, reporter)]
    faults = ["not looked at"]
    looks = 0
    while faults and time.monotonic() < begun + seconds_max:
        looks += 1
        world.revive()
        try:
            if looks % RECONCILE_EVERY == 0:
                _reconcile()
            clock.pass_time(PASSES)
            faults = _everything(world, reporter)
        except (OperationalError, InterfaceError):
            connections.close_all()
        time.sleep(LOOK_SECONDS)
    cast.tally.add("seconds to heal", round(time.monotonic() - begun))
    return [*faults, *audit.books()]


def calm(world: World, cast: Cast, people: People) -> None:
    """Nothing fails from here on."""
    world.sandbox.clear_faults()
    world.revive()
    for customer in cast.customers:
        people.attempt(people.make_good, customer)
    world.sandbox.send_webhooks_now()


def _reconcile() -> None:
    """What no webhook ever told of: beat asks every hour."""
    from wallet_billing.celery import app

    app.send_task("wallet.tasks.reconcile_recent_payments")


def _everything(world: World, reporter: Reporter) -> list[str]:
    intents = world.sandbox.state()["payment_intents"]
    return [
        *audit.payments_and_credits(intents),
        *audit.caps(),
        *audit.one_open_each(),
        *audit.events_and_charges(reporter.sent, reporter.accepted),
        *audit.unresolved(),
    ]
