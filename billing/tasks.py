"""Celery's tasks: one service call each, safe to run twice or by two at once."""

from celery import shared_task

from billing import export_making, spike_notices


@shared_task
def tell_of_spikes() -> None:
    spike_notices.tell_of_spikes()


@shared_task
def make_export(export_id: str) -> None:
    export_making.make_export(export_id)


@shared_task
def sweep_exports() -> None:
    export_making.sweep_exports()
