"""The operator's people in tests: Frances and Felix of finance, Sam of support, Petra of pricing."""

from uuid import uuid4

from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.test import Client

from workspaces.models import AuditEntry, User
from workspaces.staff import StaffRole


def staff(name: str, *roles: StaffRole) -> User:
    """One of the operator's people; of finance unless roles are given."""
    user = User.objects.create_user(f"{name}@operator.example", "correct horse battery", name=name.capitalize(), is_staff=True)
    for role in roles or (StaffRole.FINANCE,):
        user.groups.add(Group.objects.get_or_create(name=role.value)[0])
    return user


def signed_in(user: User) -> Client:
    """A browser in which that person is signed in."""
    client = Client()
    client.force_login(user)
    return client


def staff_acts() -> "QuerySet[AuditEntry]":
    """What the audit log tells of the operator's people."""
    return AuditEntry.objects.filter(is_staff_act=True)


def new_form() -> str:
    """The id of a form that was opened just now."""
    return uuid4().hex
