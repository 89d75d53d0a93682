"""The form that describes a webhook endpoint. Checks the input; where webhooks may go is decided in the wallet's services."""

from typing import Any

from django import forms

from wallet.models import CHOSEN_TYPES, EventType
from wallet.outgoing_targets import URL_CHARACTERS_MAX
from workspaces.forms import LineField

DESCRIPTION_CHARACTERS_MAX = 100
EVENT_MEANINGS = {
    EventType.LOW_BALANCE: "Less is available than the level that was chosen.",
    EventType.DEPLETED: "Outbound calls, messages and AI tasks stop; inbound calls go on for the grace time.",
    EventType.PAUSED: "The grace time is over: inbound calls stop too.",
    EventType.RESTORED: "Money came in, and everything goes on.",
    EventType.TOP_UP_SUCCEEDED: "Money was added, whoever paid.",
    EventType.TOP_UP_FAILED: "A card was declined.",
    EventType.AUTOMATIC_PAYMENT_SUSPENDED: "They are not tried again until somebody acts.",
    EventType.HOLD_EXPIRED: "A use that was allowed to start was never reported.",
}


class EventChoice(forms.CheckboxSelectMultiple):
    """Each event with what it means."""

    template_name = "billing/webhooks/_event_choice.html"

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {**super().create_option(name, value, *args, **kwargs), "meaning": EVENT_MEANINGS[EventType(value)]}


class WebhookEndpointForm(forms.Form):
    """Where to send, what for, and what of."""

    url = LineField(
        label="Address",
        max_length=URL_CHARACTERS_MAX,
        help_text="Takes POST requests, as in https://example.com/webhooks.",
        widget=forms.URLInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "https://"}),
    )
    description = LineField(
        label="Description",
        max_length=DESCRIPTION_CHARACTERS_MAX,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    event_types = forms.MultipleChoiceField(
        label="Events",
        choices=[(kind.value, kind.label) for kind in CHOSEN_TYPES],
        required=False,
        widget=EventChoice,
        help_text="None ticked means all of them, and those to come.",
    )

    @property
    def chosen_types(self) -> list[EventType]:
        return [EventType(value) for value in self.cleaned_data["event_types"]]
