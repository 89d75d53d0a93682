"""Says that something ran just now."""

from django.db.models.functions import Now

from wallet.models import Heartbeat


def beat(name: str) -> None:
    """Idempotent: the newest time stands."""
    Heartbeat.objects.bulk_create([Heartbeat(name=name, at=Now())], update_conflicts=True, unique_fields=["name"], update_fields=["at"])
