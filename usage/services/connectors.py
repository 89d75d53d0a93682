"""Takes what a connector read out of a provider's webhook: charged, recognised as a repeat, or kept aside. Nothing is lost."""

from uuid import UUID

import structlog

from usage.cloud_events import BATCH, CloudEvent, Parsed, identity, parse_request
from usage.connectors.reports import Cost, Report
from usage.errors import Overloaded
from usage.models import ProviderCost
from usage.services.ingestion import Outcome, Reporter, take_events

logger = structlog.get_logger("usage.connectors")

PLATFORM = Reporter()
"""A provider reports for the platform, whose calls it carries: it reaches every workspace."""


def take_report(report: Report) -> Outcome:
    """Charge the use that a provider reports, or keep it aside with the reason why it can't be charged.

    Locks: the wallet. Idempotent by: the provider's own id of the call or message.
    Raises: Overloaded where not even keeping it aside was possible; nothing was taken then.
    """
    (parsed,) = parse_request(b"[" + report.body() + b"]", content_type=BATCH, headers={})
    outcome = _take(parsed)
    if parsed.event is not None and report.cost is not None:
        _note_cost(parsed.event, report.cost)
    logger.info("connector_report_taken", source=report.source, taken=outcome.taken.value, code=outcome.code)
    return outcome


def _take(parsed: Parsed) -> Outcome:
    try:
        (outcome,) = take_events([parsed], reporter=PLATFORM)
    except Overloaded:
        # Not every provider sends again what was not taken. Keeping an event aside waits for no wallet.
        aside = Parsed(parsed.body, None, "overloaded", "The wallet was busy when this came. Replay it.")
        (outcome,) = take_events([aside], reporter=PLATFORM)
    return outcome


def _note_cost(event: CloudEvent, cost: Cost) -> None:
    told = {"source": event.source, "event_id": event.id, "amount_micros": cost.amount_micros, "currency": cost.currency}
    ProviderCost.objects.update_or_create(key=UUID(identity(event.source, event.id)), defaults=told)
