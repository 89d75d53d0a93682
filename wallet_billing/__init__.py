"""The project: settings, addresses, the Celery app and the local services of a first run."""

from wallet_billing.celery import app as celery_app

__all__ = ["celery_app"]
