"""The tables of this app: people and workspaces, and the keys of the API. Facts and constraints only; services change them."""

from workspaces.models.api import API_KEY_NAME_CHARACTERS_MAX, PLATFORM_SCOPES, ApiKey, IdempotentRequest, Scope
from workspaces.models.audit import AuditEntry
from workspaces.models.people import (
    BILLING_ROLES,
    INVITATION_LIFETIME,
    PUBLIC_ID_PREFIX,
    SEND_ATTEMPTS_MAX,
    Invitation,
    Membership,
    Role,
    User,
    UserManager,
    Workspace,
    new_nonce,
    new_public_id,
    valid_time_zone,
)

__all__ = [
    "API_KEY_NAME_CHARACTERS_MAX",
    "BILLING_ROLES",
    "INVITATION_LIFETIME",
    "PLATFORM_SCOPES",
    "PUBLIC_ID_PREFIX",
    "SEND_ATTEMPTS_MAX",
    "ApiKey",
    "AuditEntry",
    "IdempotentRequest",
    "Invitation",
    "Membership",
    "Role",
    "Scope",
    "User",
    "UserManager",
    "Workspace",
    "new_nonce",
    "new_public_id",
    "valid_time_zone",
]
