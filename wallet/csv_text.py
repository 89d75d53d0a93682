"""Rows as the text of a CSV file: quoted where they need it, ended by CR LF (RFC 4180). Knows nothing of what stands in them."""

import csv
from collections.abc import Iterable, Sequence

Cells = Sequence[str | int]


class _Line:
    """What csv writes to: hands the line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def as_csv(lines: Iterable[Cells]) -> str:
    """The lines, one under the other."""
    writer = csv.writer(_Line())
    return "".join(writer.writerow(line) for line in lines)
