"""API keys: made with a secret that is shown once, found by it, revoked."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from workspaces import locking
from workspaces.errors import ApiKeyRefused, TooManyApiKeys
from workspaces.models import PLATFORM_SCOPES, ApiKey, Scope, User, Workspace
from workspaces.services.audit import record

API_KEYS_MAX = 50
"""Valid keys that one workspace can have, and the platform too."""
LAST_USE_EVERY = timedelta(minutes=1)
_SECRET_BYTES = 32
_RECOGNISED_BY_BYTES = 4


@dataclass(frozen=True)
class NewApiKey:
    """A key and its secret, which is known here and never again."""

    api_key: ApiKey
    secret: str


@transaction.atomic
def create_api_key(
    workspace: Workspace | None, *, name: str, scopes: Collection[Scope], expires_at: datetime | None, created_by: User | None
) -> NewApiKey:
    """A key for one workspace, or with None the platform's own, which reaches all of them: for staff alone to make.

    Locks: workspace. Raises: ApiKeyRefused (scopes, name, expiry), TooManyApiKeys.
    """
    _check(workspace, name=name, scopes=scopes, expires_at=expires_at)
    if workspace is not None:
        locking.lock_workspace(workspace)
    if _valid_keys(workspace) >= API_KEYS_MAX:
        raise TooManyApiKeys(limit=API_KEYS_MAX)
    prefix = f"wk_{'live' if settings.STRIPE_LIVE else 'test'}_{secrets.token_hex(_RECOGNISED_BY_BYTES)}"
    secret = f"{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    api_key = ApiKey.objects.create(
        workspace=workspace,
        name=name.strip(),
        prefix=prefix,
        secret_sha256=hashed(secret),
        scopes=sorted(scopes),
        created_by=created_by,
        expires_at=expires_at,
    )
    record("api_key.made", workspace=workspace, target=str(api_key), after={"scopes": api_key.scopes, "expires_at": str(expires_at or "")})
    return NewApiKey(api_key, secret)


@transaction.atomic
def revoke_api_key(api_key: ApiKey) -> None:
    """The key is refused from the next request on, by every process. Revoking it again changes nothing."""
    if ApiKey.objects.filter(pk=api_key.pk, revoked_at=None).update(revoked_at=Now()):
        record("api_key.revoked", workspace=api_key.workspace_id, target=str(api_key))
    api_key.refresh_from_db(fields=["revoked_at"])


def note_use(api_key: ApiKey) -> None:
    """Remember when the key was last used, to the minute: a busy key costs one write in one, and the rest only look."""
    latest = timezone.now() - LAST_USE_EVERY
    if api_key.last_used_at is None or api_key.last_used_at < latest:
        ApiKey.objects.filter(Q(last_used_at=None) | Q(last_used_at__lt=latest), pk=api_key.pk).update(last_used_at=Now())


def hashed(secret: str) -> str:
    """What is stored of a key."""
    return sha256(secret.encode()).hexdigest()


def _check(workspace: Workspace | None, *, name: str, scopes: Collection[Scope], expires_at: datetime | None) -> None:
    if not name.strip():
        raise ApiKeyRefused("Give the key a name.")
    if not scopes:
        raise ApiKeyRefused("Choose what the key may do.")
    if workspace is not None and set(scopes) & set(PLATFORM_SCOPES):
        raise ApiKeyRefused("A workspace's key cannot make workspaces.")
    if expires_at is not None and expires_at <= timezone.now():
        raise ApiKeyRefused("Choose a time to come for the key to expire.")


def _valid_keys(workspace: Workspace | None) -> int:
    # Two platform keys at once may make one more than the most: they are made by staff, one at a time.
    return ApiKey.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), workspace=workspace, revoked_at=None).count()
