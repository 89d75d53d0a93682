"""What each e-mail says: the values its templates in templates/emails/ are filled with, by kind."""

from collections.abc import Callable

from django.conf import settings

from wallet.models import Notice
from wallet.services import balance_notices, card_notices, payment_notices, webhook_notices
from wallet.services.notice_words import Context, page_url
from workspaces.models import Workspace

Kind = Notice.Kind

_BY_KIND: dict[Notice.Kind, Callable[[Notice], Context]] = {
    Kind.RECEIPT: payment_notices.receipt,
    Kind.PAYMENT_LINK: payment_notices.payment_link,
    Kind.AUTOMATIC_PAYMENT: payment_notices.automatic_payment,
    Kind.AUTOMATIC_FAILED: payment_notices.automatic_failed,
    Kind.CONFIRM_PAYMENT: payment_notices.confirm_payment,
    Kind.CAP_REACHED: payment_notices.cap_reached,
    Kind.CARD_EXPIRING: card_notices.card_expiring,
    Kind.CARD_EXPIRED: card_notices.card_expired,
    Kind.CARD_RENEWED: card_notices.card_renewed,
    Kind.LOW_BALANCE: balance_notices.low_balance,
    Kind.BALANCE_USED_UP: balance_notices.balance_used_up,
    Kind.CALLS_PAUSED: balance_notices.calls_paused,
    Kind.USAGE_SPIKE: balance_notices.usage_spike,
    Kind.WEBHOOK_OFF: webhook_notices.webhook_off,
}


def notice_context(notice: Notice) -> Context:
    """The template context of one notice. Raises: LinkUnusable, NothingToTell where what it was to tell is over."""
    workspace = Workspace.objects.get(pk=notice.wallet_id)
    return {
        "workspace": workspace,
        "operator": settings.OPERATOR_NAME,
        "support": settings.SUPPORT_EMAIL,
        "billing_url": page_url(workspace, "billing"),
        "emails_url": page_url(workspace, "emails"),
        **_BY_KIND[Kind(notice.kind)](notice),
    }
