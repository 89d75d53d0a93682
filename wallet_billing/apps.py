"""The project as an app: its commands and its checks. It has no models."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Registers the checks of the whole."""

    name = "wallet_billing"
    verbose_name = "Wallet Billing"

    def ready(self) -> None:
        """Importing the checks registers them."""
        from wallet_billing import checks  # noqa: F401 -- imported for its effect, and only now, when settings are loaded
