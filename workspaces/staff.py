"""The operator's people and what each of their roles may do. A role is a Django group of that name; a superuser has all of them."""

from collections.abc import Callable, Collection
from enum import StrEnum
from functools import wraps
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from workspaces.models import User


class StaffRole(StrEnum):
    """support reads · finance adjusts and refunds · pricing sets rates.

    Each of them reads everything but prices' drafts, and the platform's webhook endpoints, which are for finance alone.
    """

    SUPPORT = "support"
    FINANCE = "finance"
    PRICING = "pricing"


EVERY_ROLE = tuple(StaffRole)


def staff_roles(user: User | AnonymousUser) -> frozenset[StaffRole]:
    """The roles of a person; none for customers, and for staff whose account was switched off."""
    if not isinstance(user, User) or not user.is_active or not user.is_staff:
        return frozenset()
    if user.is_superuser:
        return frozenset(StaffRole)
    known = set(user.groups.values_list("name", flat=True)) & set(StaffRole)
    return frozenset(StaffRole(name) for name in known)


def may_act(user: User | AnonymousUser, *, roles: Collection[StaffRole]) -> bool:
    """Whether the person has one of these roles."""
    return bool(staff_roles(user) & set(roles))


def staff_required(*roles: StaffRole) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """A view of the console for these roles alone; others of the staff are refused, and everyone else is not let in at all.

    To be put inside `admin_site.admin_view`, which sends whoever is not staff to sign in.
    """

    def guard(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not may_act(request.user, roles=roles):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        guarded.staff_roles = tuple(roles)  # type: ignore[attr-defined]  # read by the sweep over all addresses
        return guarded

    return guard
