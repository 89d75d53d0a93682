"""Endpoints for outgoing webhooks: made, changed, switched off and on, removed, and their secrets. Sends nothing itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from wallet.alerts import alert
from wallet.errors import EndpointDisabled, SecretLost, TargetRefused, TargetSilent, TooManyEndpoints
from wallet.models import Delivery, EventType, Notice, Wallet, WebhookEndpoint
from wallet.outgoing_targets import addresses_of, read_target
from wallet.services.notices import notify_admins
from wallet.services.outgoing import announce_test
from wallet.services.signing_secrets import is_opened, new_secret, reseal, seal, unseal
from wallet.services.webhook_notices import off_reference
from workspaces import locking
from workspaces.models import User, Workspace
from workspaces.services import audit

ENDPOINTS_MAX = 10
"""Of one workspace, and of the platform."""
OLD_SECRET_SIGNS_FOR = timedelta(hours=24)
Reason = WebhookEndpoint.DisabledReason


@dataclass(frozen=True)
class NewEndpoint:
    """An endpoint and its secret."""

    endpoint: WebhookEndpoint
    secret: str


def add_endpoint(
    workspace: Workspace | None, *, url: str, description: str, event_types: Sequence[EventType], created_by: User | None
) -> NewEndpoint:
    """An endpoint of one workspace, or with None the platform's own, which hears of all: for the operator's people alone to make.

    No event types are all of them; one that is named twice counts once. Not inside a transaction: looks the name up.
    Locks: workspace. Raises: TargetRefused, TooManyEndpoints.
    """
    check_url(url)
    with transaction.atomic():
        if workspace is not None:
            locking.lock_workspace(workspace)
        # Two of the platform's at once may make one more than the most: they are made by staff, one at a time.
        if WebhookEndpoint.objects.filter(workspace=workspace, removed_at=None).count() >= ENDPOINTS_MAX:
            raise TooManyEndpoints(limit=ENDPOINTS_MAX)
        secret = new_secret()
        endpoint = WebhookEndpoint.objects.create(
            workspace=workspace,
            url=url,
            description=description,
            event_types=sorted(set(event_types)),
            secret_sealed=seal(secret),
            created_by=created_by,
        )
        _record("added", endpoint, after=_described(endpoint))
    return NewEndpoint(endpoint, secret)


def change_endpoint(endpoint: WebhookEndpoint, *, url: str, description: str, event_types: Sequence[EventType]) -> None:
    """Messages that wait go to the new address. Not inside a transaction: looks the name up. Raises: TargetRefused."""
    if url != endpoint.url:
        check_url(url)
        endpoint.quiet_until = None
    before = _described(endpoint)
    endpoint.url, endpoint.description, endpoint.event_types = url, description, sorted(set(event_types))
    with transaction.atomic():
        endpoint.save(update_fields=["url", "description", "event_types", "quiet_until"])
        _record("changed", endpoint, before=before, after=_described(endpoint))


def check_url(url: str) -> None:
    """Raises TargetRefused where no webhook can be sent there as things are. It is looked at again before each is sent."""
    allowed = settings.WEBHOOKS_ALLOW_PRIVATE_TARGETS
    try:
        addresses_of(read_target(url, private_allowed=allowed), private_allowed=allowed)
    except TargetSilent as error:
        raise TargetRefused(str(error)) from None


@transaction.atomic
def reveal_secret(endpoint: WebhookEndpoint) -> str:
    """The secret that signs now, for a person to see. Raises: SecretLost."""
    secret = unseal(endpoint.secret_sealed)
    _record("secret_revealed", endpoint)
    return secret


@transaction.atomic
def rotate_secret(endpoint: WebhookEndpoint, *, old_signs_on: bool = True) -> str:
    """A new secret; the old one signs beside it for a day, unless somebody else knows it and `old_signs_on` is False.

    An old one that no key opens signs nothing, and must not keep the new one from it.

    Locks: endpoint.
    """
    locked = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    secret, old_signs_on = new_secret(), old_signs_on and is_opened(locked.secret_sealed)
    locked.previous_secret_sealed = locked.secret_sealed if old_signs_on else ""
    locked.previous_secret_until = timezone.now() + OLD_SECRET_SIGNS_FOR if old_signs_on else None
    locked.secret_sealed = seal(secret)
    locked.save(update_fields=["secret_sealed", "previous_secret_sealed", "previous_secret_until"])
    _record("secret_rotated", locked, after={"old_signs_on": old_signs_on})
    return secret


def secrets_of(endpoint: WebhookEndpoint) -> list[str]:
    """What signs a message now: the secret, and while it is being rotated the one before. Raises: SecretLost."""
    found = [unseal(endpoint.secret_sealed)]
    if endpoint.previous_secret_until is not None and endpoint.previous_secret_until > timezone.now():
        found.append(unseal(endpoint.previous_secret_sealed))
    return found


def send_test(endpoint: WebhookEndpoint) -> Delivery:
    """Queue a test message. Raises: EndpointDisabled."""
    if not endpoint.is_active:
        raise EndpointDisabled
    with transaction.atomic():
        delivery = announce_test(endpoint)
        _record("tested", endpoint, after={"message": delivery.event_id})
    return delivery


def switch_off(endpoint: WebhookEndpoint, *, reason: WebhookEndpoint.DisabledReason = Reason.SWITCHED_OFF) -> bool:
    """Nothing is sent any more, and what waits is given up; True where this call did it.

    Owner and admins hear of it by e-mail, unless it was one of them.
    """
    with transaction.atomic():
        now = timezone.now()
        standing = WebhookEndpoint.objects.filter(pk=endpoint.pk, disabled_at=None, removed_at=None)
        if not standing.update(disabled_at=now, disabled_reason=reason):
            return False
        _record("switched_off", endpoint, after={"reason": str(reason)})
        # Without a wallet there is no book of mails either: the page alone says it.
        wallet = Wallet.objects.filter(pk=endpoint.workspace_id).first() if endpoint.workspace_id else None
        if wallet is not None and reason != Reason.SWITCHED_OFF:
            notify_admins(wallet.pk, kind=Notice.Kind.WEBHOOK_OFF, reference=off_reference(endpoint.pk, now))
    _give_up_what_waits(endpoint)
    return True


def switch_on(endpoint: WebhookEndpoint) -> None:
    """What happens from now on is sent again, and the failures of before are forgotten."""
    off = WebhookEndpoint.objects.filter(pk=endpoint.pk, removed_at=None, disabled_at__isnull=False)
    with transaction.atomic():
        if off.update(disabled_at=None, disabled_reason="", failing_since=None, failures=0, quiet_until=None):
            _record("switched_on", endpoint)


def remove_endpoint(endpoint: WebhookEndpoint) -> None:
    """It is gone from the page and its secrets from the database; what it was told is forgotten in time."""
    standing = WebhookEndpoint.objects.filter(pk=endpoint.pk, removed_at=None)
    with transaction.atomic():
        if standing.update(removed_at=Now(), secret_sealed="", previous_secret_sealed="", previous_secret_until=None):
            _record("removed", endpoint)
    _give_up_what_waits(endpoint)


def tidy_secrets() -> None:
    """Wipe old secrets whose time is over, and seal the others under today's SECRET_KEY, so that its fallbacks may go."""
    over = WebhookEndpoint.objects.filter(previous_secret_until__lte=Now())
    over.update(previous_secret_sealed="", previous_secret_until=None)
    for endpoint in WebhookEndpoint.objects.filter(removed_at=None).iterator():
        try:
            _reseal(endpoint)
        except SecretLost:
            alert("webhook_secret_lost", endpoint=endpoint.pk, workspace=endpoint.workspace_id)


def _record(
    act: str, endpoint: WebhookEndpoint, *, before: Mapping[str, object] | None = None, after: Mapping[str, object] | None = None
) -> None:
    audit.record(f"webhook_endpoint.{act}", workspace=endpoint.workspace_id, target=endpoint.url, before=before, after=after)


def _described(endpoint: WebhookEndpoint) -> dict[str, object]:
    return {"url": endpoint.url, "description": endpoint.description, "event_types": list(endpoint.event_types) or ["all"]}


def _reseal(endpoint: WebhookEndpoint) -> None:
    """Only where nobody has rotated it meanwhile."""
    fresh = reseal(endpoint.secret_sealed)
    older = endpoint.previous_secret_sealed
    if fresh != endpoint.secret_sealed:
        WebhookEndpoint.objects.filter(pk=endpoint.pk, secret_sealed=endpoint.secret_sealed).update(secret_sealed=fresh)
    if older:
        WebhookEndpoint.objects.filter(pk=endpoint.pk, previous_secret_sealed=older).update(previous_secret_sealed=reseal(older))


def _give_up_what_waits(endpoint: WebhookEndpoint) -> None:
    """In a statement of its own: nobody waits for an endpoint's row and a delivery's at once."""
    waiting = Delivery.objects.filter(endpoint=endpoint, next_attempt_at__isnull=False)
    waiting.update(next_attempt_at=None, last_error=str(EndpointDisabled()))
