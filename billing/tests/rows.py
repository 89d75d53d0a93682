"""Everything in the database that is one workspace's, so that a test can say that none of it has changed."""

from typing import Any

from django.apps import apps
from django.db import models

from workspaces.models import ApiKey, IdempotentRequest, Workspace


def rows_of(workspace: Workspace) -> dict[str, list[Any]]:
    """Every row of every table that names the workspace or its wallet."""
    found: dict[str, list[Any]] = {"workspaces.Workspace": list(Workspace.objects.filter(pk=workspace.pk).values())}
    for model in apps.get_models():
        names = {name.name for name in model._meta.get_fields() if isinstance(name, models.ForeignKey)} & {"wallet", "workspace"}
        # A key's last use and kept answers are its own caller's doing.
        if names and model not in (ApiKey, IdempotentRequest):
            found[model._meta.label] = sorted(map(str, model._default_manager.filter(**{names.pop(): workspace.pk}).values()))
    return found
