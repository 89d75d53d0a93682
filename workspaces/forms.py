"""What people type into the pages of this app. Checks the input; what it means is decided in services."""

from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.http import HttpRequest

from workspaces.models import Role, User

REGIONS = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
ROLE_MEANINGS = {
    Role.OWNER: "Everything, including other owners.",
    Role.ADMIN: "Members, settings and billing.",
    Role.MEMBER: "Uses the workspace; does not see billing.",
}


class LineField(forms.CharField):
    """One line of text: breaks and runs of spaces become one space, so that a name cannot break a mail's header."""

    def to_python(self, value: Any) -> str:
        return " ".join(str(super().to_python(value)).split())


def time_zone_choices() -> list[Any]:
    """Every zone of the IANA database by region, with how far it is from UTC today."""
    return _choices_on(datetime.now(UTC).date())


@lru_cache(maxsize=2)
def _choices_on(today: date) -> list[Any]:
    # Read from many files, and different only when some zone's summer begins or ends: once a day is enough.
    names = sorted(name for name in available_timezones() if name.partition("/")[0] in REGIONS)
    regions = groupby(names, key=lambda name: name.partition("/")[0])
    return [("UTC", "UTC"), *((region, [(name, _zone_label(name)) for name in members]) for region, members in regions)]


def _zone_label(name: str) -> str:
    offset = datetime.now(ZoneInfo(name)).strftime("%z").replace("-", "−")
    place = name.partition("/")[2].replace("_", " ").replace("/", ", ")
    return f"{place} (UTC{offset[:3]}:{offset[3:5]})"


class NameField(LineField):
    """What a workspace is called."""

    def __init__(self, **options: Any) -> None:
        super().__init__(label="Workspace name", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "organization"}), **options)


class TimeZoneField(forms.ChoiceField):
    """A zone to count days and months in. The browser's own is chosen by a script where the form is new."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            label="Time zone", choices=time_zone_choices, help_text="Days, months and times on the pages are told in this zone.", **options
        )


class WorkspaceForm(forms.Form):
    """A workspace's own settings."""

    name = NameField()
    time_zone = TimeZoneField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._keep_a_zone_set_elsewhere()

    def _keep_a_zone_set_elsewhere(self) -> None:
        # The API takes every name of the database, also old ones such as US/Eastern, which the list leaves out.
        zone, field = self.initial.get("time_zone"), self.fields["time_zone"]
        assert isinstance(field, forms.ChoiceField)
        if zone and not field.valid_value(zone):
            field.choices = [(zone, zone), *time_zone_choices()]


class RoleField(forms.ChoiceField):
    """Radio buttons for the roles that the acting member may give."""

    def __init__(self, **options: Any) -> None:
        super().__init__(label="Role", widget=RoleChoice, **options)


class RoleChoice(forms.RadioSelect):
    """Each role with what it may do."""

    template_name = "workspaces/_role_choice.html"

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {**super().create_option(name, value, *args, **kwargs), "meaning": ROLE_MEANINGS[Role(value)]}


class RoleForm(forms.Form):
    """A role to give."""

    role = RoleField()

    def __init__(self, *args: Any, grantable: tuple[Role, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["role"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(role.value, role.label) for role in grantable]


class InvitationForm(RoleForm):
    """An address and the role to offer it."""

    email = forms.EmailField(label="E-mail address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    field_order = ("email", "role")


class PersonForm(forms.Form):
    """How a person wants to be called."""

    name = LineField(label="Your name", max_length=100, required=False, widget=forms.TextInput(attrs={"autocomplete": "name"}))


class SignupForm(forms.Form):
    """What sign-up asks for beside the address and the password; django-allauth calls `signup` with the new user."""

    name = LineField(label="Your name", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    field_order = ("name", "email", "password1")

    def signup(self, request: HttpRequest, user: User) -> None:
        user.name = self.cleaned_data["name"]
        user.save(update_fields=["name"])
