"""People: adding one by hand, and the name they go by. Signing up, passwords and second factors are django-allauth's."""

from allauth.account.models import EmailAddress
from django.db import transaction

from workspaces.models import User


@transaction.atomic
def add_user(email: str, *, password: str | None = None, name: str = "", is_staff: bool = False) -> User:
    """Adds a person whose address the operator vouches for: no mail is sent, it counts as verified."""
    user = User.objects.create_user(email.strip(), password, name=name.strip(), is_staff=is_staff)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def rename_user(user: User, *, name: str) -> None:
    """Sets the name that others see; empty means that the address stands in for it."""
    user.name = name.strip()
    user.save(update_fields=["name"])
