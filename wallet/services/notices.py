"""The outbox of e-mails: rows are made with what they tell, for those who want it; mailing.py sends them."""

from collections.abc import Collection, Mapping

from django.db.models import QuerySet
from django.utils import timezone

from wallet.models import CHOSEN_KINDS, Notice, NoticeChoice
from workspaces.models import BILLING_ROLES, Membership
from workspaces.wake import wake


def notify_admins(wallet_id: int, *, kind: Notice.Kind, reference: str, facts: Mapping[str, int] | None = None) -> None:
    """Queue one e-mail to each owner and admin who wants that kind, inside the caller's transaction.

    Idempotent by: kind, reference and address.
    """
    for address in _wanting(wallet_id, kind).values_list("user__email", flat=True):
        notify(wallet_id, kind=kind, reference=reference, recipient=address, facts=facts)


def notify(wallet_id: int, *, kind: Notice.Kind, reference: str, recipient: str, facts: Mapping[str, int] | None = None) -> None:
    """Queue one e-mail to one address. Idempotent by: kind, reference and address.

    What was over before it could be sent, and is so again by now, was never told: that one is queued anew.
    """
    notice, is_new = Notice.objects.get_or_create(
        wallet_id=wallet_id,
        kind=kind,
        reference=reference,
        recipient=recipient,
        defaults={"next_attempt_at": timezone.now(), "facts": dict(facts or {})},
    )
    if is_new or _queue_anew(notice, facts):
        wake("wallet.tasks.send_notice", notice.pk)


def is_wanted(notice: Notice) -> bool:
    """Whether its recipient is still to be told: who has left, or has no say over billing any more, reads nothing of it.

    A payment link goes to whoever pays, who need be nobody's member.
    """
    kind = Notice.Kind(notice.kind)
    return kind is Notice.Kind.PAYMENT_LINK or _wanting(notice.wallet_id, kind).filter(user__email=notice.recipient).exists()


def _wanting(wallet_id: int, kind: Notice.Kind) -> "QuerySet[Membership]":
    admins = Membership.objects.filter(workspace_id=wallet_id, role__in=BILLING_ROLES, user__is_active=True)
    return admins.exclude(notice_choice__kinds_off__contains=[kind])


def _queue_anew(notice: Notice, facts: Mapping[str, int] | None) -> bool:
    dropped = Notice.objects.filter(pk=notice.pk, sent_at=None, next_attempt_at=None, attempts=0)
    return bool(dropped.update(next_attempt_at=timezone.now(), facts=dict(facts or {})))


def choose_notices(membership: Membership, *, wanted: Collection[Notice.Kind]) -> None:
    """Send this member those kinds in this workspace, and the others no more. What is always told stays so."""
    kinds_off = [kind for kind in CHOSEN_KINDS if kind not in wanted]
    NoticeChoice.objects.update_or_create(membership=membership, defaults={"kinds_off": kinds_off})


def wanted_notices(membership: Membership) -> set[Notice.Kind]:
    """What may be switched off and was not."""
    choice = NoticeChoice.objects.filter(membership=membership).first()
    return set(CHOSEN_KINDS) - {Notice.Kind(kind) for kind in (choice.kinds_off if choice else [])}
