"""What each e-mail says: the values its templates in templates/emails/ are filled with."""

from datetime import datetime

from django.conf import settings
from django.urls import reverse

from wallet.errors import LinkUnusable
from wallet.models import Notice, Origin, PaymentLink, TopUp, Transfer
from wallet.money import format_money
from wallet.services.payment_links import LinkState, link_state, payment_link_url
from wallet.services.settlement import top_up_key
from workspaces.models import Workspace

_HOW = {Origin.MANUAL: "Top-up", Origin.PAYMENT_LINK: "Payment link", Origin.AUTOMATIC: "Automatic payment"}


def notice_context(notice: Notice) -> dict[str, object]:
    """The template context of one notice. Raises: LinkUnusable where there is nothing to tell any more."""
    workspace = Workspace.objects.get(pk=notice.wallet_id)
    context: dict[str, object] = {
        "workspace": workspace,
        "operator": settings.OPERATOR_NAME,
        "support": settings.SUPPORT_EMAIL,
        "billing_url": settings.SITE_URL + reverse("billing:billing", args=[workspace.public_id]),
    }
    return context | _BY_KIND[Notice.Kind(notice.kind)](notice)


def _receipt(notice: Notice) -> dict[str, object]:
    top_up = TopUp.objects.select_related("wallet__workspace").get(pk=notice.reference, wallet_id=notice.wallet_id)
    wallet = top_up.wallet
    assert top_up.receipt_number is not None, "A receipt is told once the money is credited."
    assert top_up.resolved_at is not None, "top_up_is_open_or_resolved"
    credit = Transfer.objects.get(wallet=wallet, idempotency_key=top_up_key(top_up))
    return {
        "top_up": top_up,
        "amount": format_money(top_up.amount_micros, currency=wallet.currency),
        "balance_after": format_money(credit.balance_after_micros, currency=wallet.currency),
        "how": _HOW[Origin(top_up.origin)],
        "paid_on": _in_words(top_up.resolved_at, workspace=wallet.workspace),
        "receipt_url": settings.SITE_URL + reverse("billing:receipt", args=[wallet.workspace.public_id, top_up.receipt_number]),
    }


def _payment_link(notice: Notice) -> dict[str, object]:
    link = PaymentLink.objects.select_related("wallet__workspace", "created_by").get(pk=notice.reference, wallet_id=notice.wallet_id)
    if link_state(link) is not LinkState.OPEN:
        raise LinkUnusable("The payment link was used, withdrawn or over before it was mailed.")
    amount = format_money(link.amount_micros, currency=link.wallet.currency) if link.amount_micros else ""
    return {
        "link_url": payment_link_url(link),
        "amount": amount,
        "expires_on": _in_words(link.expires_at, workspace=link.wallet.workspace),
        "asked_by": link.created_by.get_full_name() if link.created_by else link.wallet.workspace.name,
    }


def _in_words(moment: datetime, *, workspace: Workspace) -> str:
    """In the workspace's zone. As text, because a template would turn a time into the server's zone."""
    return f"{moment.astimezone(workspace.zone):%B %-d, %Y, %H:%M %Z}"


_BY_KIND = {Notice.Kind.RECEIPT: _receipt, Notice.Kind.PAYMENT_LINK: _payment_link}
