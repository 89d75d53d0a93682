"""Takes reports of use: each is charged, recognised as a repeat, or kept aside with a reason. Nothing received is lost.

A batch may span any number of wallets; it is priced and posted in one transaction with a fixed number of statements.
"""

from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from usage.cloud_events import Parsed, attributes_of
from usage.errors import Overloaded
from usage.models import KeptEvent
from usage.queries import holds_out_of_reach
from usage.services.charging import charge_uses
from usage.services.measuring import BadUse, Received, Use, measure
from usage.services.prices import current_prices
from wallet_billing.counters import Counter
from workspaces.queries import workspaces_of_subjects

HOLD_SOURCE, LAB_SOURCE = "/holds", "/lab"
"""What the product reports itself: the captures of holds, and live use of the Lab."""
HOLD_OUT_OF_REACH = BadUse("hold_out_of_reach", "This hold was placed by the platform, which alone reports what was used under it.")
SOURCE_TAKEN = BadUse("source_taken", "Sources that begin with the workspace's id are for its own keys. Report under a source of yours.")
TRIES_MAX = 3
"""How often a batch is tried again after a deadlock or a lock that did not come, before the sender is asked to (faults: C11)."""


class Taken(StrEnum):
    """What became of one event."""

    CHARGED = "charged"
    REPEATED = "repeated"
    KEPT_ASIDE = "kept_aside"


EVENTS = Counter(
    name="wallet_events", meaning="Reported uses, by what became of them.", labels={"outcome": [taken.value for taken in Taken]}
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the event at `index` of the request; `code` and `reason` where it was kept aside."""

    index: int
    taken: Taken
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports: `workspace_id` limits a key to its own workspace, None reaches all; `api_key` is the key's public part."""

    workspace_id: int | None = None
    api_key: str = ""


def take_events(parsed: Sequence[Parsed], *, reporter: Reporter, received: Received | None = None) -> list[Outcome]:
    """Charge a request's events, in their order; answers one outcome for each.

    Use that already happened is charged even when that takes a wallet below zero. Repeats are answered as such and
    charge nothing. What can't be charged is kept aside in the same transaction. `received` is given for events that came
    before: theirs was the price of then.
    Locks: wallets, in the order of their ids. Idempotent by: each event's source and id, in its workspace.
    Raises: Overloaded after TRIES_MAX deadlocks or lock time-outs, with nothing taken: send it again.
    """
    for tries_left in reversed(range(TRIES_MAX)):
        try:
            return _take_and_count(parsed, reporter, received or Received(timezone.now()))
        except OperationalError as error:
            # Inside a caller's transaction nothing can be tried again: what it has locked may be what the others wait for.
            if not tries_left or connection.in_atomic_block:
                raise Overloaded("The wallet is busy. Send the same again in a moment; nothing is charged twice.") from error
    raise AssertionError("The last try returns or raises.")


@transaction.atomic
def take_over_events(parsed: Sequence[Parsed], *, reporter: Reporter) -> list[Outcome]:
    """Charge the events of a book that was kept elsewhere, each booked at the end of its use as though it was charged then.

    In the order in which the uses ended, before anything newer is booked. However old they are, none of them is late.
    Locks and idempotent by: as take_events. Raises: ValueError where the wallet's book has a newer row already.
    """
    return _take(parsed, reporter, Received(timezone.now(), reviewed=True), taken_over=True)


def _take(parsed: Sequence[Parsed], reporter: Reporter, received: Received, *, taken_over: bool = False) -> list[Outcome]:
    outcomes = {index: Outcome(index, Taken.KEPT_ASIDE, one.code, one.reason) for index, one in enumerate(parsed) if one.event is None}
    uses, faults = _within_reach(*_measured(parsed, reporter, received), reporter)
    for index, fault in (faults | charge_uses(uses, api_key=reporter.api_key, taken_over=taken_over)).items():
        outcomes[index] = _outcome(index, fault)
    _keep_aside(parsed, [one for one in outcomes.values() if one.taken is Taken.KEPT_ASIDE], reporter)
    return [outcomes[index] for index in range(len(parsed))]


@transaction.atomic
def _take_and_count(parsed: Sequence[Parsed], reporter: Reporter, received: Received) -> list[Outcome]:
    outcomes = _take(parsed, reporter, received)
    transaction.on_commit(lambda: _count(outcomes), robust=True)
    return outcomes


def _count(outcomes: Sequence[Outcome]) -> None:
    for taken, count in Tally(outcome.taken for outcome in outcomes).items():
        EVENTS.add(taken.value, count=count)


def _measured(parsed: Sequence[Parsed], reporter: Reporter, received: Received) -> tuple[list[Use], dict[int, BadUse | None]]:
    prices = current_prices()
    subjects = {one.event.subject for one in parsed if one.event is not None}
    workspaces = workspaces_of_subjects(subjects, within=reporter.workspace_id)
    uses: list[Use] = []
    faults: dict[int, BadUse | None] = {}
    for index, one in enumerate(parsed):
        if one.event is None:
            continue
        try:
            workspace, meter = workspaces.get(one.event.subject), prices.meter(one.event.type)
            use = measure(index, one.event, workspace=workspace, meter=meter, received=received)
            assert workspace is not None, "What was measured is somebody's."
            _check_source(use, workspace.public_id, reporter)
            uses.append(use)
        except BadUse as error:
            faults[index] = error
    return uses, faults


def _check_source(use: Use, public_id: str, reporter: Reporter) -> None:
    """Who reports can be told by the source: what begins with the workspace's id is for its own keys, all others for the platform.

    So nobody takes the identity of another's event: a customer who knew the platform's next one could report a second of use
    under it, and the true report would be a conflict. Raises: BadUse.
    """
    source = use.event.source
    is_customers = source == public_id or source.startswith(f"{public_id}/")
    if reporter.workspace_id is None:
        if is_customers:
            raise SOURCE_TAKEN
        return
    # A capture is reported under its hold's id, and names it.
    is_capture = source == HOLD_SOURCE and use.hold_id is not None and use.event.id == str(UUID(use.hold_id))
    if not is_customers and not is_capture:
        raise BadUse("source_not_yours", f"A workspace's own key reports under sources of its own: let source begin with {public_id}/.")


def _within_reach(uses: list[Use], faults: dict[int, BadUse | None], reporter: Reporter) -> tuple[list[Use], dict[int, BadUse | None]]:
    """A workspace's own key does not resolve the platform's holds.

    Its customer would otherwise report nothing for a call, and the platform's true report came too late.
    """
    if reporter.workspace_id is None:
        return uses, faults
    named = {UUID(use.hold_id) for use in uses if use.hold_id is not None}
    foreign = {hold_id.hex for hold_id in holds_out_of_reach(reporter.workspace_id, named)} if named else set()
    refused: dict[int, BadUse | None] = {use.index: HOLD_OUT_OF_REACH for use in uses if use.hold_id in foreign}
    return [use for use in uses if use.index not in refused], faults | refused


def _outcome(index: int, fault: BadUse | None) -> Outcome:
    if fault is None:
        return Outcome(index, Taken.CHARGED)
    if fault.code == "repeated":
        return Outcome(index, Taken.REPEATED)
    return Outcome(index, Taken.KEPT_ASIDE, fault.code, str(fault))


def _keep_aside(parsed: Sequence[Parsed], outcomes: Sequence[Outcome], reporter: Reporter) -> None:
    """Keep each once: the same body sent again and again stays one row until somebody resolves it.

    Nothing that can be sent may fail to be kept: what the table's texts cannot hold is left out of them.
    """
    rows = []
    for outcome in outcomes:
        body = parsed[outcome.index].body
        known = attributes_of(body)
        rows.append(
            KeptEvent(
                source=known.get("source", ""),
                event_id=known.get("id", ""),
                subject=known.get("subject", ""),
                type=known.get("type", ""),
                body=body.decode("utf-8", "replace").replace("\0", ""),
                body_sha256=sha256(body).hexdigest(),
                reach=reporter.workspace_id,
                api_key=reporter.api_key,
                code=outcome.code,
                reason=outcome.reason[:300],
            )
        )
    KeptEvent.objects.bulk_create(rows, ignore_conflicts=True)
