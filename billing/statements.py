"""What a month's statement says: the balance it began with, what came in, what was used, the balance it ended with.

Taken from the ledger alone, by when things were booked, so that each statement begins where the one before it ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.utils import timezone

from billing.export import defused, heading_of
from billing.kind_words import kind_name
from billing.pdf import INK, MUTED, Paper
from usage.kinds import UsageKind
from wallet.csv_text import as_csv
from wallet.models import Kind, Wallet
from wallet.money import format_exact, plain_decimal
from wallet.queries import KindSum, balance_at, kind_sums, seqs_between

CSV_COLUMNS = ("month", "currency", "section", "line", "rows", "amount")
_WIDTHS = (92, 30, 40)


@dataclass(frozen=True)
class Sum:
    """A line: how many rows of a kind, and what they moved."""

    kind: str
    rows: int
    amount: str
    amount_micros: int

    @property
    def label(self) -> str:
        """The kind in words, one or many."""
        return kind_name(self.kind, count=self.rows)


@dataclass(frozen=True)
class Statement:
    """A month, ready to be shown: every value is what the reader sees. Amounts are exact, so that they add up."""

    month: date
    operator: str
    operator_address: list[str]
    support_email: str
    workspace: str
    workspace_reference: str
    currency: str
    zone: str
    is_over: bool
    made_at: datetime
    opening: str
    money: list[Sum]
    uses: list[Sum]
    used: str
    closing: str
    opening_micros: int
    used_micros: int
    closing_micros: int

    @property
    def name(self) -> str:
        return f"{self.month:%B %Y}"

    @property
    def value(self) -> str:
        return f"{self.month:%Y-%m}"

    @property
    def last_day(self) -> date:
        return (self.month + timedelta(days=32)).replace(day=1) - timedelta(days=1)

    @property
    def status(self) -> str:
        return "Final" if self.is_over else "So far"


def statement_of(wallet: Wallet, *, month: date) -> Statement:
    """The statement of the month that begins on `month`, in the workspace's zone; so far, where it is not over."""
    workspace, now = wallet.workspace, timezone.localtime(timezone=wallet.workspace.zone)
    next_month = (month + timedelta(days=32)).replace(day=1)
    since, until = (datetime.combine(day, time(), tzinfo=workspace.zone) for day in (month, next_month))
    above, below = seqs_between(wallet, since=since, until=until)
    sums = kind_sums(wallet, above=above, below=below)
    used = [one for one in sums if one.kind in UsageKind.values]
    used_micros = sum(_signed(one) for one in used)
    opening_micros, closing_micros = balance_at(wallet, seq=above), balance_at(wallet, seq=below - 1)
    return Statement(
        month=month,
        operator=settings.OPERATOR_NAME,
        operator_address=[line for line in settings.OPERATOR_ADDRESS if line],
        support_email=settings.SUPPORT_EMAIL,
        workspace=workspace.name,
        workspace_reference=workspace.public_id,
        currency=wallet.currency.upper(),
        zone=str(workspace.zone),
        is_over=until <= now,
        made_at=now,
        opening=_exact(opening_micros, wallet),
        money=_lines([one for one in sums if one.kind not in UsageKind.values], wallet),
        uses=_lines(used, wallet),
        used=_exact(used_micros, wallet, signed=True),
        closing=_exact(closing_micros, wallet),
        opening_micros=opening_micros,
        used_micros=used_micros,
        closing_micros=closing_micros,
    )


def statement_csv(statement: Statement) -> str:
    """The same lines as a table: a section, what it is, how many rows, and the exact amount as a plain decimal.

    What it is has one name whatever the number, so that months can be laid side by side.
    """
    lines: list[tuple[str, str, int | str, int]] = [
        ("opening", "Balance at the beginning", "", statement.opening_micros),
        *(("money", kind_name(line.kind), line.rows, line.amount_micros) for line in statement.money),
        *(("use", kind_name(line.kind), line.rows, line.amount_micros) for line in statement.uses),
        ("used", "Used in all", sum(line.rows for line in statement.uses), statement.used_micros),
        ("closing", "Balance at the end" if statement.is_over else "Balance so far", "", statement.closing_micros),
    ]
    cells = (
        (statement.value, statement.currency, section, defused(label), rows, plain_decimal(micros))
        for section, label, rows, micros in lines
    )
    return heading_of(CSV_COLUMNS) + as_csv(cells)


def statement_pdf(statement: Statement) -> bytes:
    """As many pages of A4 as it takes."""
    paper = Paper(title=f"Statement {statement.value}", author=statement.operator, breaks=True)
    paper.say(statement.operator, size=13, bold=True)
    for line in statement.operator_address:
        paper.say(line, size=9, color=MUTED, height=4.6)
    paper.ln(12)
    paper.say(f"Statement for {statement.name}", size=22, bold=True, height=11)
    made = f"{statement.made_at:%B %-d, %Y, %H:%M %Z}"
    paper.say(f"{statement.status} · all times in {statement.zone} · amounts in {statement.currency} · made {made}", size=9, color=MUTED)
    paper.ln(6)
    paper.say(statement.workspace, size=11, bold=True)
    paper.say(statement.workspace_reference, size=9, color=MUTED)
    paper.ln(6)
    _write_lines(paper, statement)
    paper.ln(8)
    paper.say(f"Questions about this statement? Write to {statement.support_email}.", size=9, color=MUTED)
    return bytes(paper.output())


def _write_lines(paper: Paper, statement: Statement) -> None:
    paper.rule()
    paper.row(f"Balance on {statement.month:%B 1, %Y}", "", statement.opening, widths=_WIDTHS, bold=True)
    for heading, sums in (("Money in and out", statement.money), ("Used", statement.uses)):
        if sums:
            paper.rule()
            paper.say(heading, size=9, color=MUTED)
            for one in sums:
                paper.row(one.label, f"{one.rows:,}", one.amount, widths=_WIDTHS)
    if statement.uses:
        paper.row("Used in all", "", statement.used, widths=_WIDTHS, bold=True)
    paper.rule(color=INK)
    ending = "Balance at the end of the month" if statement.is_over else "Balance so far"
    paper.row(ending, "", statement.closing, widths=_WIDTHS, bold=True)


_ORDER = [*Kind.values, *UsageKind.values]


def _lines(sums: Sequence[KindSum], wallet: Wallet) -> list[Sum]:
    ordered = sorted(sums, key=lambda one: (_ORDER.index(one.kind) if one.kind in _ORDER else len(_ORDER), one.kind, not one.is_credit))
    return [Sum(one.kind, one.rows, _exact(_signed(one), wallet, signed=True), _signed(one)) for one in ordered]


def _signed(one: KindSum) -> int:
    return one.amount_micros if one.is_credit else -one.amount_micros


def _exact(micros: int, wallet: Wallet, *, signed: bool = False) -> str:
    return format_exact(micros, currency=wallet.currency, signed=signed)
