"""The product's settings in a hurry: what beat does every half minute it does every second, and Stripe is given two seconds to answer."""

from wallet_billing.settings import *  # noqa: F403 -- the product's settings, whatever they become
from wallet_billing.settings import CELERY_BEAT_SCHEDULE, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.apps.ChaosConfig"]
CELERY_BEAT_SCHEDULE = {
    **CELERY_BEAT_SCHEDULE,
    "sweep-money": {"task": "wallet.tasks.sweep", "schedule": 1.0, "options": {"expires": 5.0}},
    "expire-holds": {"task": "wallet.tasks.expire_due_holds", "schedule": 5.0, "options": {"expires": 5.0}},
    "reconcile-with-stripe": {"task": "wallet.tasks.reconcile_recent_payments", "schedule": 20.0, "options": {"expires": 20.0}},
}
