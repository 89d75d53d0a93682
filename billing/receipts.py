"""What a receipt says, and the receipt as a PDF. Formats amounts through wallet.money alone.

Its words were frozen with the credit and stay, however workspace and operator are called later; refunds are told as they stand.
"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from billing.pdf import INK, MUTED, Paper
from wallet.models import TopUp
from wallet.money import currency_of, format_money

_UNDONE = ("failed", "canceled")


@dataclass(frozen=True)
class Line:
    """A name and its value."""

    name: str
    value: str


@dataclass(frozen=True)
class Receipt:
    """A receipt, ready to be shown: every value is what the reader sees."""

    number: str
    operator: str
    operator_address: list[str]
    support_email: str
    workspace: str
    workspace_reference: str
    paid_at: datetime
    """In the workspace's zone of that day."""
    amount: str
    currency: str
    paid_with: str
    refunds: list[Line]
    status: str

    @property
    def paid_on(self) -> str:
        return f"{self.paid_at:%B %-d, %Y, %H:%M %Z}"


def receipt_of(top_up: TopUp) -> Receipt:
    """The receipt of a top-up that succeeded."""
    assert top_up.receipt_number is not None, "only succeeded top-ups have a receipt"
    assert top_up.resolved_at is not None, "succeeded top-ups are resolved"
    wallet, workspace = top_up.wallet, top_up.wallet.workspace
    operator, *address = _paid_to(top_up)
    return Receipt(
        number=top_up.receipt_number,
        operator=operator,
        operator_address=address,
        support_email=settings.SUPPORT_EMAIL,
        workspace=top_up.paid_by or workspace.name,
        workspace_reference=workspace.public_id,
        paid_at=timezone.localtime(top_up.resolved_at, _zone(top_up)),
        amount=format_money(top_up.amount_micros, currency=wallet.currency),
        currency=f"{wallet.currency.upper()} · {currency_of(wallet.currency).name}",
        paid_with=top_up.paid_with or "Card",
        refunds=_refunds(top_up),
        status=_status(top_up),
    )


def receipt_pdf(receipt: Receipt) -> bytes:
    """One page of A4: names are of a hundred letters at most, so that all of it fits."""
    paper = Paper(title=f"Receipt {receipt.number}", author=receipt.operator)
    _write_head(paper, receipt)
    _write_parties(paper, receipt)
    _write_lines(paper, receipt)
    _write_foot(paper, receipt)
    return bytes(paper.output())


def _paid_to(top_up: TopUp) -> list[str]:
    """The operator's name and address. A credit by a process of the release before has frozen none: then today's."""
    return top_up.paid_to.splitlines() or [settings.OPERATOR_NAME, *(line for line in settings.OPERATOR_ADDRESS if line)]


def _zone(top_up: TopUp) -> ZoneInfo:
    return ZoneInfo(top_up.paid_zone) if top_up.paid_zone else top_up.wallet.workspace.zone


def _refunds(top_up: TopUp) -> list[Line]:
    zone, currency = _zone(top_up), top_up.wallet.currency
    return [
        Line(f"Refunded {timezone.localtime(refund.created_at, zone):%B %-d, %Y}", format_money(-refund.amount_micros, currency=currency))
        for refund in top_up.refunds.exclude(status__in=_UNDONE).order_by("created_at", "pk")
    ]


def _status(top_up: TopUp) -> str:
    refunded_micros = sum(refund.amount_micros for refund in top_up.refunds.exclude(status__in=_UNDONE))
    if any(dispute.withdrawn_micros > dispute.reinstated_micros for dispute in top_up.disputes.all()):
        return "Disputed"
    if refunded_micros >= top_up.amount_micros:
        return "Refunded"
    return "Paid, partly refunded" if refunded_micros else "Paid"


def _write_head(paper: Paper, receipt: Receipt) -> None:
    paper.say(receipt.operator, size=13, bold=True)
    for line in receipt.operator_address:
        paper.say(line, size=9, color=MUTED, height=4.6)
    paper.ln(16)
    paper.say("Receipt", size=22, bold=True, height=11)
    paper.say(f"{receipt.number} · {receipt.paid_on}", size=10, color=MUTED)
    paper.ln(8)


def _write_parties(paper: Paper, receipt: Receipt) -> None:
    paper.say("Paid by", size=9, color=MUTED)
    paper.say(receipt.workspace, size=11, bold=True)
    paper.say(receipt.workspace_reference, size=9, color=MUTED)
    paper.ln(10)


def _write_lines(paper: Paper, receipt: Receipt) -> None:
    lines = [Line("Wallet balance, prepaid", receipt.amount), *receipt.refunds]
    paper.rule()
    for line in lines:
        paper.row(line.name, line.value)
    paper.rule()
    for line in (Line("Currency", receipt.currency), Line("Paid with", receipt.paid_with), Line("Status", receipt.status)):
        paper.row(line.name, line.value, muted=True)
    paper.ln(4)
    paper.rule(color=INK)
    paper.row("Amount paid", receipt.amount, bold=True)


def _write_foot(paper: Paper, receipt: Receipt) -> None:
    paper.set_y(-32)
    paper.say(f"Questions about this receipt? Write to {receipt.support_email} and name {receipt.number}.", size=9, color=MUTED)
