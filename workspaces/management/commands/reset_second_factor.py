"""`manage.py reset_second_factor`: for whoever has lost the device and the recovery codes."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import transaction

from workspaces.mail import second_factor_removed_mail
from workspaces.models import User
from workspaces.services.audit import record


class Command(BaseCommand):
    """Only who may run commands on the server does this: no page does, so nobody can be talked into pressing its button."""

    help = "Takes a person's second factor away, so that the password alone signs them in. They are told by e-mail."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, and why."""
        parser.add_argument("email")
        parser.add_argument("--reason", required=True, help="How you made sure that it is they who ask; kept in the audit log.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError where there is nothing to take away, or no reason for it; and where they could not be told."""
        email, reason = options["email"].strip(), options["reason"].strip()
        if not reason:
            raise CommandError("Say with --reason how you made sure that it is they who ask.")
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            raise CommandError(f"Nobody has signed up as {email}.")
        with transaction.atomic():
            removed, _ = Authenticator.objects.filter(user=user).delete()
            if not removed:
                raise CommandError(f"{user.email} has no second factor.")
            record("person.second_factor_reset", workspace=None, target=user.email, reason=reason[:500], as_staff=True)
        try:
            second_factor_removed_mail(user).send()
        except OSError as error:  # Covers every SMTPException and every failure to connect.
            raise CommandError(
                f"The second factor is gone, but the e-mail to {user.email} failed: tell them yourself. ({error})"
            ) from error
        self.stdout.write(f"{user.email} signs in with the password alone now, and has been told so.")
