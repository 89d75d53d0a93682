"""QR codes as SVG: black on white in light and dark, four quiet modules around, whole pixels for each module."""

from django.utils.html import format_html
from django.utils.safestring import SafeString
from qrcode import QRCode
from qrcode.constants import ERROR_CORRECT_M

QUIET_MODULES = 4  # What ISO/IEC 18004 asks for around a code.
WIDTH_PIXELS = 290  # Fits a phone of 360 pixels with its margins.
NARROW_PIXELS = 246  # Fits one of three columns.
MODULE_PIXELS_LEAST = 4


def qr_svg(text: str, *, label: str, width_pixels: int = WIDTH_PIXELS) -> SafeString:
    """The code of `text`, at most so wide unless its modules would get too small; `label` is what a screen reader says in its place."""
    code = QRCode(error_correction=ERROR_CORRECT_M, border=QUIET_MODULES)
    code.add_data(text)
    matrix: list[list[bool]] = code.get_matrix()
    side = len(matrix)
    pixels = max(MODULE_PIXELS_LEAST, width_pixels // side) * side
    return format_html(
        '<svg class="qr-code" role="img" aria-label="{label}" width="{pixels}" height="{pixels}" viewBox="0 0 {side} {side}"'
        ' shape-rendering="crispEdges"><rect width="{side}" height="{side}" fill="#fff"></rect><path fill="#000" d="{path}"></path></svg>',
        label=label,
        pixels=pixels,
        side=side,
        path="".join(_runs(matrix)),
    )


def _runs(matrix: list[list[bool]]) -> list[str]:
    """One rectangle for each run of dark modules in a row."""
    strokes = []
    for y, row in enumerate(matrix):
        x = 0
        while x < len(row):
            start = x
            while x < len(row) and row[x]:
                x += 1
            if x > start:
                strokes.append(f"M{start} {y}h{x - start}v1h-{x - start}z")
            x += 1
    return strokes
