"""What each e-mail says: the values its templates in templates/emails/ are filled with."""

from django.conf import settings
from django.urls import reverse

from wallet.models import Notice, PaymentLink, TopUp
from wallet.money import format_money
from wallet.services.payment_links import payment_link_url
from workspaces.models import Workspace


def notice_context(notice: Notice) -> dict[str, object]:
    """The template context of one notice."""
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
    return {
        "top_up": top_up,
        "amount": format_money(top_up.amount_micros, currency=wallet.currency),
        "balance": format_money(wallet.balance_micros, currency=wallet.currency),
        "paid_at": top_up.resolved_at.astimezone(wallet.workspace.zone),
        "receipt_url": settings.SITE_URL + reverse("billing:receipt", args=[wallet.workspace.public_id, top_up.receipt_number]),
    }


def _payment_link(notice: Notice) -> dict[str, object]:
    link = PaymentLink.objects.select_related("wallet__workspace", "created_by").get(pk=notice.reference, wallet_id=notice.wallet_id)
    amount = format_money(link.amount_micros, currency=link.wallet.currency) if link.amount_micros else ""
    return {
        "link_url": payment_link_url(link),
        "amount": amount,
        "expires_at": link.expires_at.astimezone(link.wallet.workspace.zone),
        "asked_by": link.created_by.get_full_name() if link.created_by else link.wallet.workspace.name,
    }


_BY_KIND = {Notice.Kind.RECEIPT: _receipt, Notice.Kind.PAYMENT_LINK: _payment_link}
