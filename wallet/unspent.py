"""Which part of each top-up was not spent yet: the oldest money is spent first, so what is left belongs to the newest top-ups.

Pure: no Django, no clock, no rounding but that of a coin.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from wallet.money import round_down_to_coin


@dataclass(frozen=True)
class Paid:
    """A top-up: what it brought, and what of that is gone: refunded, on its way back, or taken by the payer's bank."""

    top_up: UUID
    amount_micros: int
    gone_micros: int

    @property
    def kept_micros(self) -> int:
        """What could still be refunded if nothing had been spent; never less than nothing."""
        return max(0, self.amount_micros - self.gone_micros)


def unspent_parts(paid: Iterable[Paid], *, left_micros: int, currency: str) -> Iterator[tuple[UUID, int]]:
    """The top-ups, newest first as they come, each with its unspent part; ends where nothing is left to share out.

    `left_micros` is the paid money that is left, without what is on its way back already; below zero there is none.
    In whole coins, as top-ups and refunds are: what is left below a coin belongs to no top-up.
    """
    left_micros = round_down_to_coin(max(0, left_micros), currency=currency)
    for one in paid:
        if not left_micros:
            return
        part_micros = min(one.kept_micros, left_micros)
        left_micros -= part_micros
        if part_micros:
            yield one.top_up, part_micros
