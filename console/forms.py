"""What staff fill in. Checks what was typed; the services check again."""

from datetime import UTC, datetime

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from billing.history import YEARS
from usage.models import RateCard
from usage.services.price_sheets import CHARACTERS_MAX
from wallet.automatic_rule import Terms as Rule
from wallet.models import REASON_CHARACTERS_MAX
from wallet.money import MICROS

SHEET_BYTES_MAX = 4 * 1024 * 1024


class ReasonForm(forms.Form):
    """Why, for the audit log and for whoever comes after."""

    reason = forms.CharField(
        label="Reason",
        max_length=200,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": "Say why: it stands in the audit log."},
    )


class ExplanationForm(forms.Form):
    """Why a discrepancy is as it is. `seen` is what its page said of it."""

    seen = forms.CharField(strip=False, widget=forms.HiddenInput)
    explanation = forms.CharField(
        label="Why is this as it should be?",
        max_length=REASON_CHARACTERS_MAX,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say why: nobody looks at it again."},
    )


class MendForm(ReasonForm):
    """A corrected event."""

    body = forms.CharField(
        label="The event, as JSON", strip=False, widget=forms.Textarea(attrs={"rows": 16, "class": "mono", "spellcheck": "false"})
    )
    field_order = ["body", "reason"]


class SheetForm(forms.Form):
    """A price list: a file, or its text. Publishing sends the text again, so that what is published is what was compared."""

    file = forms.FileField(label="CSV file", required=False)
    sheet = forms.CharField(
        label="or its text",
        required=False,
        strip=False,
        max_length=CHARACTERS_MAX,
        widget=forms.Textarea(attrs={"rows": 8, "class": "mono"}),
    )
    valid_from = forms.DateTimeField(
        label="In force from (UTC)",
        required=False,
        help_text="Empty is at once.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
    )
    ends_others = forms.BooleanField(
        label="End what the sheet does not name", required=False, help_text="Only where it is in force at once."
    )

    def clean_valid_from(self) -> datetime | None:
        """A moment to come."""
        moment: datetime | None = self.cleaned_data["valid_from"]
        if moment is not None and moment <= timezone.now():
            raise ValidationError("Choose a moment to come, or leave it empty: a price that stood stays what it was.", code="past")
        return moment

    def clean(self) -> dict[str, object]:
        """One of the two, as text."""
        given = super().clean() or {}
        file = given.get("file")
        if file is not None:
            if file.size > SHEET_BYTES_MAX:
                raise ValidationError("The file is larger than 4 MB. Publish it in parts.", code="too_large")
            try:
                given["sheet"] = file.read().decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise ValidationError("The file is not in UTF-8: save it as CSV UTF-8.", code="not_utf8") from error
        if not given.get("sheet"):
            raise ValidationError("Choose a file, or paste the list.", code="required")
        if given.get("ends_others") and given.get("valid_from"):
            raise ValidationError("Others can be ended only by a sheet that is in force at once.", code="later")
        return given


class PublishForm(SheetForm):
    """The sheet that was compared, and why it is published. `seen` is the comparison that was looked at."""

    sheet = forms.CharField(strip=False, max_length=CHARACTERS_MAX, widget=forms.HiddenInput)
    seen = forms.CharField(widget=forms.HiddenInput)
    reason = forms.CharField(label="Reason", max_length=200, error_messages={"required": "Say why: it stands in the audit log."})


class WhatIfForm(forms.Form):
    """Whose month, and what would have been otherwise."""

    workspace = forms.CharField(label="Workspace", help_text="Its id, or whatever else finds it alone.", max_length=200)
    month = forms.CharField(label="Month", widget=forms.DateInput(attrs={"type": "month"}), help_text="As in 2026-10.")
    card = forms.ModelChoiceField(
        label="Prices of another card", queryset=RateCard.objects.order_by("name"), required=False, empty_label="None: the real prices"
    )
    sheet = forms.CharField(
        label="or a price list",
        required=False,
        strip=False,
        max_length=CHARACTERS_MAX,
        widget=forms.Textarea(attrs={"rows": 5, "class": "mono"}),
    )
    threshold = forms.DecimalField(label="Charge when available drops below", required=False, min_value=0, max_digits=12, decimal_places=2)
    amount = forms.DecimalField(label="Charge each time", required=False, min_value=0, max_digits=12, decimal_places=2)
    monthly_cap = forms.DecimalField(label="At most in the month", required=False, min_value=0, max_digits=12, decimal_places=2)

    def clean_month(self) -> datetime:
        """Its first day."""
        try:
            month = datetime.strptime(self.cleaned_data["month"], "%Y-%m").replace(tzinfo=UTC)
        except ValueError as error:
            raise ValidationError("Write the month as in 2026-10.", code="month") from error
        if month.year not in YEARS:
            raise ValidationError("There is no book of that year. Write the month as in 2026-10.", code="year")
        return month

    def rule(self) -> Rule | None:
        """None where none was given. Raises ValidationError where only a part was."""
        names = ("threshold", "amount", "monthly_cap")
        given = [self.cleaned_data[name] for name in names]
        if all(value is None for value in given):
            return None
        if any(value is None for value in given):
            raise ValidationError("A rule needs all three: below what, how much, and the most in the month.", code="rule")
        threshold, amount, cap = (int(value * MICROS) for value in given)
        return Rule(threshold_micros=threshold, amount_micros=amount, monthly_cap_micros=cap)
