"""The Celery app. Messages carry an id and nothing else; the row in PostgreSQL is the job."""

import logging.config
import os
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging, task_postrun, task_prerun, worker_process_shutdown

from wallet_billing.logs import KNOWN_LATER

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wallet_billing.settings")

app = Celery("wallet_billing")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect(weak=False)
def log_as_everywhere(**options: Any) -> None:
    """Keeps Celery from setting up logging of its own."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@task_prerun.connect(weak=False)
def name_task_in_logs(*, task_id: str, task: Any, args: Any = (), **options: Any) -> None:
    """Every line that a task logs says which task it was, and which row it was about."""
    structlog.contextvars.bind_contextvars(task=task.name, task_id=task_id, **({"row": args[0]} if args else {}))


@task_postrun.connect(weak=False)
def forget_task_in_logs(**options: Any) -> None:
    """The next task of this process begins with nothing."""
    structlog.contextvars.unbind_contextvars("task", "task_id", "row", *KNOWN_LATER)


@worker_process_shutdown.connect(weak=False)
def carry_counts(**options: Any) -> None:
    """A worker's processes end without what Python does at the end of others."""
    from wallet_billing.counters import carry_at_the_end

    carry_at_the_end()
