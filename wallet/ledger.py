"""The ledger: the only writer of transfers, balances and what promotions have left.

A book is one wallet's rows; everything here happens under that wallet's row lock. It knows nothing
of Stripe or of usage, and it never calls anything outside the database.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from wallet.errors import IdempotencyConflict
from wallet.models import Account, Promotion, Transfer, Wallet

ENTRIES_MAX = 10_000
"""The most entries that one call may post, so that a lock is held for well under a second."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is to be posted: `amount_micros` > 0 leaves `debit` and enters `credit`.

    `promotion_id` names the promotion that is granted (promotions → wallet) or expires (wallet → promotions).
    `posted_at` is given only when a book that was kept elsewhere is taken over.
    """

    debit: Account
    credit: Account
    amount_micros: int
    kind: str
    reference: str
    description: str
    happened_at: datetime
    idempotency_key: str
    promotion_id: int | None = None
    posted_at: datetime | None = None

    @property
    def content(self) -> tuple[str, str, str, str, str]:
        """What must be the same when a key comes again. Times and words may differ: the first ones stay."""
        return (self.debit, self.credit, str(self.amount_micros), self.kind, self.reference)


def lock_wallet(wallet_id: int) -> Wallet:
    """The wallet, read under its row lock, which lasts until the transaction ends.

    Locks: wallet; after webhook event and top-up, never before them. Raises: Wallet.DoesNotExist.
    """
    return Wallet.objects.select_for_update().get(pk=wallet_id)


@transaction.atomic
def post(wallet_id: int, entries: Sequence[Entry]) -> list[Transfer]:
    """Post the entries in their order and answer their transfers; a key seen before answers the row that stands.

    Usage (wallet → usage_revenue) spends promotions before paid money, soonest to expire first. The wallet may go
    below zero: whether money may be spent is decided before, by a hold.

    Locks: wallet. Idempotent by: each entry's key, in its wallet.
    Raises: IdempotencyConflict, with nothing posted, when a key comes with other content; ValueError over ENTRIES_MAX.
    """
    if len(entries) > ENTRIES_MAX:
        raise ValueError(f"At most {ENTRIES_MAX} entries in one call, not {len(entries)}.")
    wallet = lock_wallet(wallet_id)
    standing = _standing(wallet, entries)
    fresh = list(_fresh(entries, standing))
    if fresh:
        standing.update(_write(wallet, fresh))
    return [standing[entry.idempotency_key] for entry in entries]


def _standing(wallet: Wallet, entries: Sequence[Entry]) -> dict[str, Transfer]:
    keys = [entry.idempotency_key for entry in entries]
    return {transfer.idempotency_key: transfer for transfer in Transfer.objects.filter(wallet=wallet, idempotency_key__in=keys)}


def _fresh(entries: Sequence[Entry], standing: dict[str, Transfer]) -> Iterator[Entry]:
    """The entries still to post; a repeat within the same call counts once."""
    seen = {key: (row.debit, row.credit, str(row.amount_micros), row.kind, row.reference) for key, row in standing.items()}
    for entry in entries:
        content = seen.get(entry.idempotency_key)
        if content is None:
            seen[entry.idempotency_key] = entry.content
            yield entry
        elif content != entry.content:
            raise IdempotencyConflict(f"The key {entry.idempotency_key!r} was used for another transfer.")


def _write(wallet: Wallet, entries: list[Entry]) -> dict[str, Transfer]:
    """Chain the rows onto the book, insert them, and cache the sums; the wallet's lock is held."""
    credit = _GivenCredit(wallet, entries)
    rows = []
    for entry in entries:
        promotion_micros = credit.part_of(entry)
        wallet.last_seq += 1
        wallet.balance_micros += _change(entry)
        rows.append(_row(wallet, entry, promotion_micros=promotion_micros))
    Transfer.objects.bulk_create(rows)
    credit.save()
    wallet.promotion_micros += credit.change_micros
    wallet.save(update_fields=["balance_micros", "promotion_micros", "last_seq"])
    return {row.idempotency_key: row for row in rows}


def _change(entry: Entry) -> int:
    if entry.credit == Account.WALLET:
        return entry.amount_micros
    return -entry.amount_micros if entry.debit == Account.WALLET else 0


def _row(wallet: Wallet, entry: Entry, *, promotion_micros: int) -> Transfer:
    row = Transfer(
        wallet=wallet,
        seq=wallet.last_seq,
        debit=entry.debit,
        credit=entry.credit,
        amount_micros=entry.amount_micros,
        promotion_micros=promotion_micros,
        balance_after_micros=wallet.balance_micros,
        kind=entry.kind,
        reference=entry.reference,
        description=entry.description,
        happened_at=entry.happened_at,
        idempotency_key=entry.idempotency_key,
    )
    if entry.posted_at is not None:
        row.posted_at = entry.posted_at
    return row


class _GivenCredit:
    """What the wallet's promotions have left while a batch is posted; read once, written once."""

    def __init__(self, wallet: Wallet, entries: list[Entry]) -> None:
        named = {entry.promotion_id for entry in entries if entry.promotion_id is not None}
        self.spendable: list[Promotion] = []
        self.by_id: dict[int, Promotion] = {}
        self.touched: set[int] = set()
        self.change_micros = 0
        if wallet.promotion_micros or named:
            self._read(wallet, named)

    def _read(self, wallet: Wallet, named: set[int]) -> None:
        rows = Promotion.objects.filter(wallet=wallet)
        left = {promotion.pk: promotion for promotion in rows.filter(remaining_micros__gt=0)}
        self.by_id = left | {promotion.pk: promotion for promotion in rows.filter(pk__in=named - left.keys())}
        # Soonest to expire first; what never expires comes last.
        self.spendable = sorted(
            self.by_id.values(), key=lambda promotion: (promotion.expires_at is None, promotion.expires_at, promotion.pk)
        )

    def part_of(self, entry: Entry) -> int:
        """How much of the entry is given credit; moves it in the promotions."""
        if entry.promotion_id is not None:
            sign = 1 if entry.credit == Account.WALLET else -1
            self._move(self.by_id[entry.promotion_id], sign * entry.amount_micros)
            return entry.amount_micros
        if (entry.debit, entry.credit) == (Account.WALLET, Account.USAGE_REVENUE):
            return self._spend(entry.amount_micros)
        return 0

    def _spend(self, amount_micros: int) -> int:
        left = amount_micros
        for promotion in self.spendable:
            part = min(left, promotion.remaining_micros)
            if part:
                self._move(promotion, -part)
                left -= part
        return amount_micros - left

    def _move(self, promotion: Promotion, change_micros: int) -> None:
        promotion.remaining_micros += change_micros
        self.change_micros += change_micros
        self.touched.add(promotion.pk)

    def save(self) -> None:
        touched = [self.by_id[pk] for pk in sorted(self.touched)]
        if touched:
            Promotion.objects.bulk_update(touched, ["remaining_micros"])
