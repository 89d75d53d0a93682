"""The form that makes an API key for a workspace. Checks the input; what a key may be is decided in services."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from workspaces.forms import LineField
from workspaces.models import API_KEY_NAME_CHARACTERS_MAX, PLATFORM_SCOPES, Scope

SCOPE_MEANINGS = {
    Scope.EVENTS_WRITE: "Sends calls, messages and tasks, which are charged.",
    Scope.HOLDS_WRITE: "Asks whether a use may start, and sets its money aside.",
    Scope.WALLET_READ: "Sees balance, history, payment links and top-ups.",
    Scope.WALLET_WRITE: "Makes and withdraws payment links. Charges no card.",
}
FOR_EVER = "for-ever"
LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "One year"), (FOR_EVER, "Until it is revoked"))


class ScopeChoice(forms.CheckboxSelectMultiple):
    """Each scope with what it may do."""

    template_name = "workspaces/_role_choice.html"

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {**super().create_option(name, value, *args, **kwargs), "meaning": SCOPE_MEANINGS[Scope(value)]}


class ApiKeyForm(forms.Form):
    """A name to tell the key by, what it may do, and how long it lasts."""

    name = LineField(
        label="Name",
        max_length=API_KEY_NAME_CHARACTERS_MAX,
        help_text="Where the key is used, as in “Production call server”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        choices=[(scope.value, scope.label) for scope in Scope if scope not in PLATFORM_SCOPES],
        widget=ScopeChoice,
        error_messages={"required": "Choose at least one."},
    )
    lifetime = forms.ChoiceField(label="Works for", choices=LIFETIMES)

    @property
    def chosen_scopes(self) -> list[Scope]:
        return [Scope(value) for value in self.cleaned_data["scopes"]]

    @property
    def expires_at(self) -> datetime | None:
        chosen = self.cleaned_data["lifetime"]
        return None if chosen == FOR_EVER else timezone.now() + timedelta(days=int(chosen))
