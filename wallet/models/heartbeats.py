"""When what must go on by itself last did: for the operations page, and for whoever watches it."""

from django.db import models
from django.db.models.functions import Now


class Heartbeat(models.Model):
    """One row per thing that runs by the clock; written at each of its runs."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%d %H:%M:%S}"
