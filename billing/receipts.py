"""What a receipt says, and the receipt as a PDF. Formats amounts through wallet.money alone.

Its words were frozen with the credit and stay, however workspace and operator are called later; refunds are told as they stand.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos
from fpdf.fonts import FontFace

from wallet.models import TopUp
from wallet.money import currency_of, format_money

FONTS = Path(__file__).parent / "fonts"
INK, MUTED, LINE = (22, 24, 29), (102, 108, 120), (228, 228, 223)
MARGIN, WIDTH = 24.0, 162.0
"""In millimetres, on A4."""

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
    """One page of A4. Text of any script is taken: what Inter cannot write comes from DejaVu, and what neither can as a box."""
    pdf = FPDF(format="A4", unit="mm")
    pdf.set_margin(MARGIN)
    pdf.c_margin = 0
    # Names are of a hundred letters at most, so that all of it fits the one page.
    pdf.set_auto_page_break(False)
    pdf.set_title(f"Receipt {receipt.number}")
    pdf.set_author(receipt.operator)
    pdf.set_lang("en")
    _add_fonts(pdf)
    pdf.add_page()
    _write_head(pdf, receipt)
    _write_parties(pdf, receipt)
    _write_lines(pdf, receipt)
    _write_foot(pdf, receipt)
    return bytes(pdf.output())


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


def _add_fonts(pdf: FPDF) -> None:
    pdf.add_font("Inter", "", _font("Inter-Regular.ttf"))
    pdf.add_font("Inter", "B", _font("Inter-SemiBold.ttf"))
    pdf.add_font("DejaVu", "", _font("DejaVuSans.ttf"))
    pdf.set_fallback_fonts(["DejaVu"], exact_match=False)


@cache
def _font(name: str) -> str:
    return str(FONTS / name)


def _write_head(pdf: FPDF, receipt: Receipt) -> None:
    _write(pdf, receipt.operator, size=13, bold=True)
    for line in receipt.operator_address:
        _write(pdf, line, size=9, color=MUTED, height=4.6)
    pdf.ln(16)
    _write(pdf, "Receipt", size=22, bold=True, height=11)
    _write(pdf, f"{receipt.number} · {receipt.paid_on}", size=10, color=MUTED)
    pdf.ln(8)


def _write_parties(pdf: FPDF, receipt: Receipt) -> None:
    _write(pdf, "Paid by", size=9, color=MUTED)
    _write(pdf, receipt.workspace, size=11, bold=True)
    _write(pdf, receipt.workspace_reference, size=9, color=MUTED)
    pdf.ln(10)


def _write_lines(pdf: FPDF, receipt: Receipt) -> None:
    lines = [Line("Wallet balance, prepaid", receipt.amount), *receipt.refunds]
    _rule(pdf)
    for line in lines:
        _pair(pdf, line)
    _rule(pdf)
    for line in (Line("Currency", receipt.currency), Line("Paid with", receipt.paid_with), Line("Status", receipt.status)):
        _pair(pdf, line, muted=True)
    pdf.ln(4)
    _rule(pdf, color=INK)
    _pair(pdf, Line("Amount paid", receipt.amount), bold=True)


def _write_foot(pdf: FPDF, receipt: Receipt) -> None:
    pdf.set_y(-32)
    _write(pdf, f"Questions about this receipt? Write to {receipt.support_email} and name {receipt.number}.", size=9, color=MUTED)


def _write(pdf: FPDF, text: str, *, size: float, bold: bool = False, color: tuple[int, int, int] = INK, height: float = 5.6) -> None:
    pdf.set_font("Inter", "B" if bold else "", size)
    pdf.set_text_color(*color)
    pdf.multi_cell(WIDTH, height, _printable(text), align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _pair(pdf: FPDF, line: Line, *, bold: bool = False, muted: bool = False) -> None:
    pdf.set_font("Inter", "B" if bold else "", 11 if bold else 10)
    face = FontFace(color=MUTED if muted else INK)
    with pdf.table(
        width=WIDTH, col_widths=(60, 102), borders_layout="NONE", line_height=7, padding=(1, 0), first_row_as_headings=False
    ) as table:
        row = table.row()
        row.cell(_printable(line.name), style=face)
        row.cell(_printable(line.value), align=Align.R, style=FontFace(color=INK))


def _rule(pdf: FPDF, *, color: tuple[int, int, int] = LINE) -> None:
    pdf.set_draw_color(*color)
    pdf.set_line_width(0.3)
    pdf.line(MARGIN, pdf.get_y(), MARGIN + WIDTH, pdf.get_y())
    pdf.ln(2)


def _printable(text: str) -> str:
    """Without control characters, which no font has and which would break the line."""
    return "".join(character for character in text if character.isprintable()) or " "
