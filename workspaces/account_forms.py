"""django-allauth's forms in the product's words: labels in sentence case, no placeholder that repeats a label."""

from typing import Any

from allauth.account import forms as account
from allauth.mfa.base import forms as mfa
from allauth.mfa.totp import forms as totp
from django import forms

LABELS = {
    "Email": "E-mail address",
    "Current Password": "Current password",
    "New Password": "New password",
    "New Password (again)": "New password, once more",
    "Authenticator code": "Six digits from the app",
}
ADVICE = "At least 12 characters, and not one that is easy to guess."


class InOurWords:
    """Goes before a form of django-allauth."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            field.label = LABELS.get(str(field.label), field.label)
            if name == "password1":
                field.help_text = ADVICE


class LoginForm(InOurWords, account.LoginForm):  # type: ignore[misc]  # django-allauth publishes no types
    """Signing in."""


class SignupForm(InOurWords, account.SignupForm):  # type: ignore[misc]  # as above
    """Signing up."""


class ResetPasswordForm(InOurWords, account.ResetPasswordForm):  # type: ignore[misc]  # as above
    """Asking for a link to choose a new password."""


class ResetPasswordKeyForm(InOurWords, account.ResetPasswordKeyForm):  # type: ignore[misc]  # as above
    """Choosing it."""


class ChangePasswordForm(InOurWords, account.ChangePasswordForm):  # type: ignore[misc]  # as above
    """Changing it while signed in."""


class NewEmailForm(InOurWords, account.AddEmailForm):  # type: ignore[misc]  # as above
    """Another address to sign in with."""


class ReauthenticateForm(InOurWords, account.ReauthenticateForm):  # type: ignore[misc]  # as above
    """The password once more."""


class CodeForm(InOurWords, mfa.AuthenticateForm):  # type: ignore[misc]  # as above
    """A code from the app or a recovery code, at sign-in."""


class CodeAgainForm(InOurWords, mfa.ReauthenticateForm):  # type: ignore[misc]  # as above
    """The same before a page that guards the account."""


class ActivateTOTPForm(InOurWords, totp.ActivateTOTPForm):  # type: ignore[misc]  # as above
    """The first code, which proves that the app holds the secret."""
