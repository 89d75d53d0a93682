"""The outbox of e-mails: rows are made with what they tell; mailing.py sends them."""

from django.utils import timezone

from wallet.models import Notice
from workspaces.models import BILLING_ROLES, User
from workspaces.wake import wake


def notify_admins(wallet_id: int, *, kind: Notice.Kind, reference: str) -> None:
    """Queue one e-mail to each owner and admin, inside the caller's transaction. Idempotent by: kind, reference and address."""
    admins = User.objects.filter(memberships__workspace_id=wallet_id, memberships__role__in=BILLING_ROLES, is_active=True)
    for address in admins.values_list("email", flat=True):
        notify(wallet_id, kind=kind, reference=reference, recipient=address)


def notify(wallet_id: int, *, kind: Notice.Kind, reference: str, recipient: str) -> None:
    """Queue one e-mail to one address. Idempotent by: kind, reference and address."""
    notice, is_new = Notice.objects.get_or_create(
        wallet_id=wallet_id, kind=kind, reference=reference, recipient=recipient, defaults={"next_attempt_at": timezone.now()}
    )
    if is_new:
        wake("wallet.tasks.send_notice", notice.pk)
