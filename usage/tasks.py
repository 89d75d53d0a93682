"""Celery's tasks: one service call each, safe to run twice or by two at once."""

from celery import shared_task

from usage.services import lab_calls


@shared_task
def settle_lab_calls() -> None:
    lab_calls.settle_calls_left_alone()
