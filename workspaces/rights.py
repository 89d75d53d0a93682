"""Which role may give, change or take which. Pure rules, no database."""

from workspaces.models import Role

_GRANTS: dict[str, tuple[Role, ...]] = {
    Role.OWNER: (Role.OWNER, Role.ADMIN, Role.MEMBER),
    Role.ADMIN: (Role.ADMIN, Role.MEMBER),
    Role.MEMBER: (),
}


def grantable_roles(role: str) -> tuple[Role, ...]:
    """The roles that someone in this role may invite to, give and take away: owners all, admins all but owner."""
    return _GRANTS[role]


def may_grant(role: str, *, wanted: str) -> bool:
    """Whether this role reaches that one."""
    return wanted in grantable_roles(role)
