"""Celery's tasks: one service call each, safe to run twice or by two at once."""

from celery import shared_task

from billing import spike_notices


@shared_task
def tell_of_spikes() -> None:
    spike_notices.tell_of_spikes()
