"""System checks of the whole: `check --deploy --database default` asks the database whether the roles are kept apart."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import OperationalError

from wallet_billing import roles


@checks.register(checks.Tags.database, deploy=True)
def check_the_app_cannot_change_the_books(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Warns where the app's role could change or remove what the ledger holds."""
    if roles.APP not in (databases or []):
        return []
    try:
        excess = roles.excessive_rights()
    except OperationalError as error:
        return [checks.Warning(f"The database cannot be asked about its roles: {error}", id="wallet_billing.W002")]
    return [
        checks.Warning(
            f"The app's role {roles.app_role()} {right}.",
            hint="Run manage.py prepare_database with DATABASE_OWNER_URL set to another role, and give DATABASE_URL the app's own.",
            id="wallet_billing.W001",
        )
        for right in excess
    ]
