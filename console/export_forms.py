"""What staff fill in to have a file made. Checks what was typed; the service checks again."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

from billing.export_sources import SHEETS
from billing.export_words import TITLES
from billing.history import KIND_FILTERS, YEARS, Query
from console.search import wallets_found
from wallet.models import Wallet
from workspaces.models.people import valid_time_zone

_YEARS = [MinValueValidator(date(YEARS.start, 1, 1)), MaxValueValidator(date(YEARS.stop - 1, 12, 31))]


def _day_field(label: str, **more: Any) -> forms.DateField:
    return forms.DateField(label=label, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), validators=_YEARS, **more)


class WalletExportForm(forms.Form):
    """Rows of one wallet."""

    workspace = forms.CharField(label="Workspace", help_text="Its id, or whatever else finds it alone.", max_length=200)
    kind = forms.ChoiceField(label="What", choices=[(kind.value, TITLES[kind]) for kind in SHEETS])
    first_day = _day_field("From", required=False, help_text="In the workspace’s zone.")
    last_day = _day_field("Until", required=False, help_text="It is included.")

    def clean_workspace(self) -> Wallet:
        """The one that is meant."""
        found = wallets_found(self.cleaned_data["workspace"])
        if len(found) != 1:
            words = f"{len(found)} workspaces are found by that: give its id." if found else "No workspace is found by that."
            raise ValidationError(words, code="unclear")
        return Wallet.objects.select_related("workspace").get(pk=next(iter(found)))

    def query(self) -> Query:
        """The filters of the history that are meant: all kinds, in these days."""
        given = self.cleaned_data
        return Query(KIND_FILTERS[0], given["first_day"], given["last_day"], text="", before_seq=None, day_shown=None)


class JournalExportForm(forms.Form):
    """Days of the accounting journal."""

    first_day = _day_field("From")
    last_day = _day_field("Until", help_text="It is included.")
    zone = forms.CharField(label="Time zone", max_length=60, help_text="Whose midnights count, as in Europe/Berlin.")

    def clean_zone(self) -> ZoneInfo:
        """One that there is."""
        name: str = self.cleaned_data["zone"].strip()
        try:
            # Files of the machine such as posixrules are zones too for ZoneInfo, and none for PostgreSQL, which does the sums.
            valid_time_zone(name)
        except ValidationError as error:
            raise ValidationError("There is no such time zone. One looks like Europe/Berlin.", code="zone") from error
        return ZoneInfo(name)


def last_month() -> dict[str, date | str]:
    """What bookkeepers ask for."""
    end = timezone.now().date().replace(day=1) - timedelta(days=1)
    return {"first_day": end.replace(day=1), "last_day": end, "zone": "UTC"}
