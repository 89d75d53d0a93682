"""Wakes a worker after commit. A convenience only: the row is the job, and a sweep finds what was never woken."""

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = structlog.get_logger(__name__)


def wake(task: str, argument: str | int, *, after_seconds: float = 0) -> None:
    """Send the task's name and one id once the transaction has committed; at once where there is none.

    `after_seconds` has the worker wait; for short waits alone, as it keeps the message in its hands meanwhile.
    A queue that cannot be reached is logged and nothing else: the request has succeeded, and the sweep will do the work.
    """
    transaction.on_commit(lambda: _send(task, argument, after_seconds=after_seconds), robust=True)


def _send(task: str, argument: str | int, *, after_seconds: float) -> None:
    try:
        current_app.send_task(task, args=[argument], countdown=after_seconds or None)
    except OperationalError as error:
        logger.warning("queue_unreachable", task=task, argument=str(argument), error=str(error))
