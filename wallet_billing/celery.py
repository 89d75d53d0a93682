"""The Celery app. Messages carry an id and nothing else; the row in PostgreSQL is the job."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wallet_billing.settings")

app = Celery("wallet_billing")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
