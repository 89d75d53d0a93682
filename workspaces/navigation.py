"""The frame's links: what stands in the sidebar and in the settings tabs, and for whom.

A page that lands adds its one line here. Addresses are names, so that no app is imported.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse

from workspaces.models import BILLING_ROLES, Membership, Role

EVERYONE = tuple(Role)


@dataclass(frozen=True)
class Link:
    """A page's place in the frame. It is the current one on every address below /w/<id>/`under`."""

    label: str
    url_name: str
    under: str
    icon: str = ""
    roles: tuple[Role, ...] = EVERYONE


SIDEBAR = (
    Link("Lab", "usage:lab", "lab", icon="flask"),
    Link("Settings", "workspaces:settings", "settings", icon="gear"),
)

SETTINGS = (
    Link("Workspace", "workspaces:settings", "settings/workspace"),
    Link("Members", "workspaces:members", "settings/members"),
    Link("Billing", "billing:billing", "settings/billing", roles=BILLING_ROLES),
    Link("API keys", "workspaces:api_keys", "settings/api-keys", roles=(Role.OWNER, Role.ADMIN)),
    Link("Webhooks", "billing:webhook_endpoints", "settings/webhooks", roles=(Role.OWNER, Role.ADMIN)),
    Link("Activity", "workspaces:activity", "settings/activity", roles=(Role.OWNER,)),
)


@dataclass(frozen=True)
class Item:
    """A link resolved for one member's page."""

    label: str
    href: str
    icon: str
    current: bool


def items_for(membership: Membership, *, links: Iterable[Link], path: str) -> list[Item]:
    """The links that this member may follow, with the current one marked."""
    public_id = membership.workspace.public_id
    base = f"/w/{public_id}/"
    return [
        Item(link.label, reverse(link.url_name, args=[public_id]), link.icon, f"{path}/".startswith(f"{base}{link.under}/"))
        for link in links
        if membership.role in link.roles
    ]
