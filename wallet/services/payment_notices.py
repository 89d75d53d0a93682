"""What the e-mails about payments say: receipts, automatic payments, and links to pay or to confirm by."""

from datetime import date

from django.utils import timezone

from wallet.automatic_rule import Cap
from wallet.decline_words import decline_words
from wallet.errors import LinkCovered, LinkUnusable, NothingToTell
from wallet.models import AutomaticPayments, Notice, Origin, PaymentLink, TopUp, Transfer, Wallet
from wallet.money import format_money
from wallet.services.automatic_charges import charged_so_far
from wallet.services.notice_words import Context, day_in_words, in_words, page_url, wallet_of
from wallet.services.payment_links import LinkState, link_state, payment_link_url
from wallet.services.settlement import top_up_key
from workspaces.models import Workspace

Suspension = AutomaticPayments.Suspension

_HOW = {Origin.MANUAL: "Top-up", Origin.PAYMENT_LINK: "Payment link", Origin.AUTOMATIC: "Automatic payment"}
_SUSPENDED = "suspended:"
_SUSPENSIONS = {
    Suspension.DECLINED: (
        "Three tries in a row failed. The last was {amount} from {card}. {why}",
        "Nothing is charged until you say so: try again, or use another card.",
    ),
    Suspension.CARD_REFUSED: (
        "{card} can't be charged any more. {why}",
        "Use another card, or try again once your bank allows it.",
    ),
    Suspension.NO_CARD: ("Your saved card can't be charged any more, and no card is connected that can be charged.", "Connect a card."),
    Suspension.NOT_CONFIRMED: (
        "Your bank wanted you to confirm a payment of {amount}, and nobody did in time.",
        "Try again and confirm the payment, or use another card.",
    ),
    Suspension.DISPUTED: (
        "The bank has taken a payment back that was disputed, and its decision is final.",
        "Nothing is charged until you say so: try again, or use another card.",
    ),
}
"""What happened, and what its owner can do."""


def receipt(notice: Notice) -> Context:
    """Reference: the top-up."""
    return _credited(_top_up(notice))


def automatic_payment(notice: Notice) -> Context:
    """Reference: the top-up."""
    top_up = _top_up(notice)
    told, first = _credited(top_up), top_up.instead_of
    return told | {
        "rows": [
            ("Receipt", top_up.receipt_number),
            ("Charged on", told["paid_on"]),
            ("Card", top_up.paid_with),
            ("Balance after", told["balance_after"]),
        ],
        "button": "View receipt",
        "button_url": told["receipt_url"],
        "declined_card": first.card.label if first is not None and first.card is not None else "",
        "why": decline_words(first.decline_code).what if first is not None else "",
    }


def automatic_failed(notice: Notice) -> Context:
    """Reference: the top-up that failed, or `suspended:` and the moment from which nothing is charged any more."""
    return _suspended(notice) if notice.reference.startswith(_SUSPENDED) else _failed(notice)


def confirm_payment(notice: Notice) -> Context:
    """Reference: the payment link by which the owner confirms."""
    link = _open_link(notice)
    declined = _confirmed_top_up(link)
    return {
        "amount": _link_amount(link),
        "card": declined.card.label if declined is not None and declined.card is not None else "",
        "expires_on": in_words(link.expires_at, workspace=link.wallet.workspace),
        "button": "Confirm the payment",
        "button_url": payment_link_url(link),
    }


def cap_reached(notice: Notice) -> Context:
    """Reference: which of the owner's limits, and the day on which it opens again: `monthly_cap:2026-08-01`."""
    name, _, day = notice.reference.partition(":")
    wallet, now, opens_on = wallet_of(notice), timezone.now(), date.fromisoformat(day)
    rule = AutomaticPayments.objects.filter(wallet=wallet, is_active=True, suspended_at=None).first()
    if rule is None or now.astimezone(wallet.workspace.zone).date() >= opens_on:
        raise NothingToTell("The limit has opened again, or automatic payments are off.")
    return {
        "is_monthly": Cap(name) is Cap.MONTHLY,
        "cap": format_money(rule.monthly_cap_micros, currency=wallet.currency),
        "charged": format_money(charged_so_far(wallet, now=now).month_micros, currency=wallet.currency),
        "charges_max": rule.daily_charges_max,
        "opens_on": day_in_words(opens_on),
        "rows": [("Available now", format_money(wallet.available_micros, currency=wallet.currency))],
        "add_url": page_url(wallet.workspace, "add_balance"),
        "button": "Open Automatic Payments",
        "button_url": page_url(wallet.workspace, "automatic_payments"),
    }


def payment_link(notice: Notice) -> Context:
    """Reference: the payment link. Goes to whoever pays, who need be nobody's member."""
    link = _open_link(notice)
    return {
        "link_url": payment_link_url(link),
        "amount": _link_amount(link),
        "expires_on": in_words(link.expires_at, workspace=link.wallet.workspace),
        "asked_by": link.created_by.get_full_name() if link.created_by else link.wallet.workspace.name,
    }


def _top_up(notice: Notice) -> TopUp:
    found = TopUp.objects.select_related("wallet__workspace", "card", "instead_of__card")
    return found.get(pk=notice.reference, wallet_id=notice.wallet_id)


def _credited(top_up: TopUp) -> Context:
    wallet = top_up.wallet
    assert top_up.receipt_number is not None, "A receipt is told once the money is credited."
    assert top_up.resolved_at is not None, "top_up_is_open_or_resolved"
    credit = Transfer.objects.get(wallet=wallet, idempotency_key=top_up_key(top_up))
    return {
        "top_up": top_up,
        "amount": format_money(top_up.amount_micros, currency=wallet.currency),
        "balance_after": format_money(credit.balance_after_micros, currency=wallet.currency),
        "how": _HOW[Origin(top_up.origin)],
        "paid_on": in_words(top_up.resolved_at, workspace=wallet.workspace),
        "receipt_url": page_url(wallet.workspace, "receipt", top_up.receipt_number),
    }


def _failed(notice: Notice) -> Context:
    """Why this charge failed, and when the next is made. Where the rule is suspended with it, that mail tells it all."""
    top_up = _top_up(notice)
    rule = AutomaticPayments.objects.get(wallet=top_up.wallet)
    later = TopUp.objects.filter(wallet=top_up.wallet, status=TopUp.Status.SUCCEEDED, resolved_at__gte=top_up.resolved_at)
    if rule.suspended_at is not None or later.exists():
        raise NothingToTell("It was paid since, or automatic payments are suspended, which is told by itself.")
    failure = _Failure(top_up.wallet, top_up)
    return failure.context | {
        "what_happened": f"{failure.amount} could not be charged to {failure.card}. {failure.why}",
        "what_next": _next_try(rule, workspace=top_up.wallet.workspace),
    }


def _next_try(rule: AutomaticPayments, *, workspace: Workspace) -> str:
    if not rule.is_active:
        return "Automatic payments are off by now, so nothing is tried again."
    if rule.next_try_at is None:
        return "It is tried again with the next use."
    return f"It is tried again on {in_words(rule.next_try_at, workspace=workspace)}, if it is needed then."


def _suspended(notice: Notice) -> Context:
    wallet = wallet_of(notice)
    rule = AutomaticPayments.objects.filter(wallet=wallet, is_active=True, suspended_at__isnull=False).first()
    if rule is None or suspension_reference(rule) != notice.reference:
        raise NothingToTell("Automatic payments are not suspended any more.")
    failed = TopUp.objects.filter(wallet=wallet, origin=Origin.AUTOMATIC, status=TopUp.Status.FAILED).select_related("card")
    failure = _Failure(wallet, failed.order_by("-resolved_at").first())
    happened, following = _SUSPENSIONS[AutomaticPayments.Suspension(rule.suspension)]
    told = {"amount": failure.amount, "card": failure.card, "why": failure.why}
    return failure.context | {"suspension": rule.suspension, "what_happened": happened.format(**told), "what_next": following}


def suspension_reference(rule: AutomaticPayments) -> str:
    """As services.automatic_suspension writes it."""
    return f"{_SUSPENDED}{rule.suspended_at:%Y-%m-%dT%H:%M:%S.%f}"


class _Failure:
    """What both mails about a failure tell of the charge, which may be none where no card was there to charge."""

    def __init__(self, wallet: Wallet, top_up: TopUp | None) -> None:
        card = top_up.card if top_up is not None else None
        self.amount = format_money(top_up.amount_micros, currency=wallet.currency) if top_up is not None else ""
        self.card = card.label if card is not None else "your card"
        self.why = decline_words(top_up.decline_code).what if top_up is not None else ""
        self.context: Context = {
            "amount": self.amount,
            "rows": [("Available now", format_money(wallet.available_micros, currency=wallet.currency))],
            "add_url": page_url(wallet.workspace, "add_balance"),
            "button": "Open Automatic Payments",
            "button_url": page_url(wallet.workspace, "automatic_payments"),
        }


def _open_link(notice: Notice) -> PaymentLink:
    # Where the operator had it mailed once more, the reference goes on after a colon.
    link_id, _, _ = notice.reference.partition(":")
    link = PaymentLink.objects.select_related("wallet__workspace", "created_by").get(pk=link_id, wallet_id=notice.wallet_id)
    state = link_state(link)
    if state is LinkState.COVERED:
        raise LinkCovered("The saved card is being charged: the link is mailed once it is open again.")
    if state is not LinkState.OPEN:
        raise LinkUnusable("The payment link was used, withdrawn or over before it was mailed.")
    return link


def _link_amount(link: PaymentLink) -> str:
    return format_money(link.amount_micros, currency=link.wallet.currency) if link.amount_micros else ""


def _confirmed_top_up(link: PaymentLink) -> TopUp | None:
    """The charge that the bank wanted confirmed: services.automatic_outcomes names it in the link's request."""
    _, _, top_up_id = link.request_id.partition("confirm:")
    return TopUp.objects.select_related("card").filter(pk=top_up_id, wallet=link.wallet_id).first() if top_up_id else None
