"""The product's paper: A4 in Inter, from which receipts and statements are written. Knows nothing of what they say."""

from functools import cache
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos
from fpdf.fonts import FontFace

FONTS = Path(__file__).parent / "fonts"
INK, MUTED, LINE = (22, 24, 29), (102, 108, 120), (228, 228, 223)
MARGIN, WIDTH = 24.0, 162.0
"""In millimetres, on A4."""

Color = tuple[int, int, int]


class Paper(FPDF):
    """A document. Text of any script is taken: what Inter cannot write comes from DejaVu, and what neither can as a box."""

    def __init__(self, *, title: str, author: str, breaks: bool = False) -> None:
        super().__init__(format="A4", unit="mm")
        self.set_margin(MARGIN)
        self.c_margin = 0
        self.set_auto_page_break(breaks, margin=MARGIN)
        self.set_title(title)
        self.set_author(author)
        self.set_lang("en")
        self._add_fonts()
        self.add_page()

    def say(self, text: str, *, size: float, bold: bool = False, color: Color = INK, height: float = 5.6) -> None:
        """A paragraph over the whole width."""
        self.set_font("Inter", "B" if bold else "", size)
        self.set_text_color(*color)
        self.multi_cell(WIDTH, height, printable(text), align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def row(self, *cells: str, widths: tuple[int, ...] = (60, 102), bold: bool = False, muted: bool = False) -> None:
        """Cells side by side: the first on the left, the last on the right."""
        self.set_font("Inter", "B" if bold else "", 11 if bold else 10)
        face = FontFace(color=MUTED if muted else INK)
        with self.table(
            width=WIDTH, col_widths=widths, borders_layout="NONE", line_height=7, padding=(1, 0), first_row_as_headings=False
        ) as table:
            row = table.row()
            for place, cell in enumerate(cells):
                style = face if place < len(cells) - 1 else FontFace(color=INK)
                row.cell(printable(cell), align=Align.L if place == 0 else Align.R, style=style)

    def rule(self, *, color: Color = LINE) -> None:
        """A line over the whole width."""
        self.set_draw_color(*color)
        self.set_line_width(0.3)
        self.line(MARGIN, self.get_y(), MARGIN + WIDTH, self.get_y())
        self.ln(2)

    def _add_fonts(self) -> None:
        self.add_font("Inter", "", _font("Inter-Regular.ttf"))
        self.add_font("Inter", "B", _font("Inter-SemiBold.ttf"))
        self.add_font("DejaVu", "", _font("DejaVuSans.ttf"))
        self.set_fallback_fonts(["DejaVu"], exact_match=False)


def printable(text: str) -> str:
    """Without control characters, which no font has and which would break the line."""
    return "".join(character for character in text if character.isprintable()) or " "


@cache
def _font(name: str) -> str:
    return str(FONTS / name)
