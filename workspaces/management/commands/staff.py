"""`manage.py staff`: who of the operator's people may open the console, and what they may do there."""

from typing import Any

from django.contrib.auth.models import Group
from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import transaction

from workspaces.models import User
from workspaces.services.audit import record
from workspaces.staff import StaffRole, staff_roles


class Command(BaseCommand):
    """Only who may run commands on the server makes staff: no page does, so no page can be tricked into it."""

    help = "Lists the operator's people, gives one of them a role, or takes all roles away."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, and with whom."""
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="Everyone who may open the console.")
        grant = actions.add_parser("grant", help="Let a person who has an account open the console.")
        grant.add_argument("email")
        grant.add_argument(
            "--role", action="append", required=True, choices=[role.value for role in StaffRole], help="May be given several times."
        )
        revoke = actions.add_parser("revoke", help="Take every role away.")
        revoke.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        """Changes first, then shows how it stands."""
        if options["action"] == "grant":
            self._set(_user(options["email"]), roles=options["role"])
        elif options["action"] == "revoke":
            self._set(_user(options["email"]), roles=[])
        for user in User.objects.filter(is_staff=True).order_by("email"):
            self.stdout.write(f"{user.email}: {', '.join(sorted(staff_roles(user))) or 'no role'}")

    @transaction.atomic
    def _set(self, user: User, *, roles: list[str]) -> None:
        before = sorted(staff_roles(user))
        user.is_staff = bool(roles)
        user.is_superuser = user.is_superuser and bool(roles)
        user.save(update_fields=["is_staff", "is_superuser"])
        user.groups.set([Group.objects.get_or_create(name=role)[0] for role in roles])
        record("staff.roles_changed", workspace=None, target=user.email, before={"roles": before}, after={"roles": sorted(roles)})


def _user(email: str) -> User:
    user = User.objects.filter(email__iexact=email.strip()).first()
    if user is None:
        raise CommandError(f"Nobody has signed up as {email}. They need an account first: have them sign up, with a second factor.")
    return user
