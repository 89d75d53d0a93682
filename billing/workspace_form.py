"""What a new workspace needs to know: its own settings and its wallet's currency."""

from django import forms

from wallet.money import CURRENCIES
from workspaces.forms import WorkspaceForm


class NewWorkspaceForm(WorkspaceForm):
    """A workspace's settings and its wallet's currency, which stays for good."""

    currency = forms.ChoiceField(
        label="Currency",
        choices=[(currency.code, f"{currency.code.upper()} — {currency.name}") for currency in CURRENCIES.values()],
        help_text="Top-ups, prices and receipts are in this currency. It cannot be changed later.",
    )
    field_order = ("name", "currency", "time_zone")
