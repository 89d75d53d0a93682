"""What people fill in in the Lab. Checks what was typed and puts it into words; the services check again."""

import re
from typing import Any
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError

from usage.lab_scripts import AGENTS
from usage.models import LabRun
from usage.services.lab_chats import TEXT_MAX
from usage.services.measuring import BadUse, outside_number

_REQUEST_ID = re.compile(r"[0-9a-f]{32}")
EXAMPLE_NUMBER = "+12125550142"
"""Of a range that is kept for fiction."""


def new_request_id() -> str:
    """An id for one form: whatever it is sent, twice or from two tabs, it is one run or one message."""
    return uuid4().hex


class LabForm(forms.Form):
    """A form with an id of its own."""

    request_id = forms.CharField(widget=forms.HiddenInput, max_length=32, initial=new_request_id)

    def clean_request_id(self) -> str:
        """The id, where it is one of ours."""
        request_id: str = self.cleaned_data["request_id"]
        if not _REQUEST_ID.fullmatch(request_id):
            raise ValidationError("This form is out of date. Open the Lab again.", code="request_id")
        return request_id


class StartForm(LabForm):
    """Which agent, and whether it is meant to cost money."""

    agent = forms.ChoiceField(
        choices=[(slug, agent.name) for slug, agent in AGENTS.items()],
        initial=next(iter(AGENTS)),
        error_messages={"invalid_choice": "Choose one of the agents."},
    )
    mode = forms.ChoiceField(choices=[("lab", "Lab"), ("live", "Live")], initial="lab", widget=forms.HiddenInput)

    @property
    def is_live(self) -> bool:
        return bool(self.cleaned_data["mode"] == "live")


class StartCallForm(StartForm):
    """With whom a test call is made, and who calls."""

    direction = forms.ChoiceField(
        choices=LabRun.Direction.choices, initial=LabRun.Direction.OUT, error_messages={"invalid_choice": "Choose who calls."}
    )
    number = forms.CharField(label="Number", max_length=32, initial=EXAMPLE_NUMBER, error_messages={"required": "Enter a number."})

    def clean_number(self) -> str:
        """E.164. Short and emergency numbers are for real calls."""
        try:
            number = outside_number(self.cleaned_data["number"])
        except BadUse as error:
            raise ValidationError(str(error), code=error.code) from error
        if not number.startswith("+"):
            raise ValidationError("Enter a full number with its plus and country, as in +14155550142.", code="bad_number")
        return number


class SayForm(LabForm):
    """A message in a chat."""

    text = forms.CharField(
        label="Message",
        max_length=TEXT_MAX,
        error_messages={"required": "Write a message first.", "max_length": f"Keep it under {TEXT_MAX} characters."},
    )

    def faults(self) -> list[Any]:
        """Every sentence that says what is wrong."""
        return [error for errors in self.errors.values() for error in errors]
