"""The ledger: the only writer of transfers, balances and what promotions have left.

A book is one wallet's rows; everything here happens under that wallet's row lock. It knows nothing
of Stripe or of usage, and it never calls anything outside the database.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO

import structlog
from django.db import connection, transaction

from wallet.errors import IdempotencyConflict
from wallet.models import Account, Promotion, Transfer, Wallet

ENTRIES_MAX = 10_000
"""The most entries that one call may post, so that locks are held for well under a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What is to be posted: `amount_micros` leaves `debit` and enters `credit`.

    It is positive, but for a use that was free: that has its row too.

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
    def content(self) -> tuple[str, str, int, str, str]:
        """What must be the same when a key comes again. Times and words may differ: the first ones stay."""
        return (self.debit, self.credit, self.amount_micros, self.kind, self.reference)


def lock_wallet(wallet_id: int) -> Wallet:
    """The wallet, read under its row lock, which lasts until the transaction ends.

    Rows that only name the wallet may be added meanwhile: its key never changes, so they need not wait.
    Locks: wallet; after webhook event and top-up, never before them. Raises: Wallet.DoesNotExist.
    """
    wallet = Wallet.objects.select_for_update(no_key=True).get(pk=wallet_id)
    # From here on whatever is logged of this request or task says whose money it was about.
    structlog.contextvars.bind_contextvars(wallet=wallet_id)
    return wallet


def lock_wallets(wallet_ids: Iterable[int]) -> dict[int, Wallet]:
    """Several wallets by id, locked in the order of their ids, so that two batches never wait for each other in a circle."""
    locked = Wallet.objects.select_for_update(no_key=True).filter(pk__in=set(wallet_ids)).order_by("pk")
    return {wallet.pk: wallet for wallet in locked}


@transaction.atomic
def post(wallet_id: int, entries: Sequence[Entry]) -> list[Transfer]:
    """Post the entries in their order and answer their transfers; a key seen before answers the row that stands.

    Usage (wallet → usage_revenue) spends promotions before paid money, soonest to expire first. The wallet may go
    below zero: whether money may be spent is decided before, by a hold.

    Locks: wallet. Idempotent by: each entry's key, in its wallet.
    Raises: IdempotencyConflict, with nothing posted, when a key comes with other content; ValueError as post_new does.
    """
    wallet = lock_wallet(wallet_id)
    standing = {transfer.idempotency_key: transfer for transfer in _rows_of_keys(wallet, entries)}
    fresh = _fresh(entries, standing)
    post_new({wallet_id: wallet}, {wallet_id: fresh})
    standing |= {transfer.idempotency_key: transfer for transfer in _rows_of_keys(wallet, fresh)}
    return [standing[entry.idempotency_key] for entry in entries]


def post_new(wallets: Mapping[int, Wallet], entries: Mapping[int, Sequence[Entry]]) -> None:
    """Chain entries onto the books of wallets that the caller holds locked, in a fixed number of statements.

    `wallets` (from lock_wallet or lock_wallets) carry the new sums afterwards. The caller has made sure, under these
    locks, that no key stands yet: a key that does is refused by the database, and nothing is posted.
    Raises: ValueError over ENTRIES_MAX, or for a `posted_at` older than the row before it; IntegrityError for a key that stands.
    """
    count = sum(len(batch) for batch in entries.values())
    if count > ENTRIES_MAX:
        raise ValueError(f"At most {ENTRIES_MAX} entries in one call, not {count}.")
    if not count:
        return
    growing = [wallets[wallet_id] for wallet_id, batch in entries.items() if batch]
    credit, clock, lines = _GivenCredit(wallets, entries), _BookClock(growing), _Lines()
    for wallet in growing:
        _chain(wallet, entries[wallet.pk], credit, clock, lines)
    lines.copy()
    credit.save()
    _save_sums(growing)


def _rows_of_keys(wallet: Wallet, entries: Sequence[Entry]) -> Iterable[Transfer]:
    return Transfer.objects.filter(wallet=wallet, idempotency_key__in=[entry.idempotency_key for entry in entries]) if entries else ()


def _fresh(entries: Sequence[Entry], standing: Mapping[str, Transfer]) -> list[Entry]:
    """The entries still to post; a repeat within the same call counts once."""
    seen = {key: (row.debit, row.credit, row.amount_micros, row.kind, row.reference) for key, row in standing.items()}
    fresh = []
    for entry in entries:
        content = seen.get(entry.idempotency_key)
        if content is None:
            seen[entry.idempotency_key] = entry.content
            fresh.append(entry)
        elif content != entry.content:
            raise IdempotencyConflict(f"The key {entry.idempotency_key!r} was used for another transfer.")
    return fresh


def _chain(wallet: Wallet, entries: Sequence[Entry], credit: "_GivenCredit", clock: "_BookClock", lines: "_Lines") -> None:
    """Give each entry its place in the book; the wallet's lock is held."""
    available_before = wallet.available_micros
    for entry in entries:
        promotion_micros = credit.part_of(wallet, entry)
        wallet.last_seq += 1
        if entry.credit == Account.WALLET:
            wallet.balance_micros += entry.amount_micros
        elif entry.debit == Account.WALLET:
            wallet.balance_micros -= entry.amount_micros
        lines.add(wallet, entry, promotion_micros=promotion_micros, posted_at=clock.time_of(wallet, entry))
    wallet.note_availability(before_micros=available_before, now=clock.now)


def _save_sums(wallets: Sequence[Wallet]) -> None:
    columns = [(w.pk, w.balance_micros, w.promotion_micros, w.last_seq, w.depleted_at) for w in wallets]
    with connection.cursor() as cursor:
        # One statement for any number of wallets; the ORM's bulk_update writes a CASE per column and row.
        cursor.execute(
            """
            UPDATE wallet_wallet AS wallet
            SET balance_micros = sums.balance, promotion_micros = sums.promotion, last_seq = sums.seq, depleted_at = sums.depleted_at
            FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[])
                AS sums (id, balance, promotion, seq, depleted_at)
            WHERE wallet.workspace_id = sums.id
            """,
            [list(column) for column in zip(*columns, strict=True)],
        )


class _BookClock:
    """When each row is booked: by the database's clock, and never before the row above it, even where the clock was set back."""

    def __init__(self, wallets: Sequence[Wallet]) -> None:
        with connection.cursor() as cursor:
            # After the lock, in a statement of its own: one that had to wait for the lock would not see what was booked meanwhile.
            cursor.execute(
                """
                SELECT book.wallet_id, transfer.posted_at, clock_timestamp()
                FROM unnest(%s::bigint[], %s::bigint[]) AS book (wallet_id, seq)
                LEFT JOIN wallet_transfer AS transfer ON transfer.wallet_id = book.wallet_id AND transfer.seq = book.seq
                """,
                [[wallet.pk for wallet in wallets], [wallet.last_seq for wallet in wallets]],
            )
            rows = cursor.fetchall()
        self.now: datetime = rows[0][2]
        self.newest: dict[int, datetime] = {wallet_id: posted_at for wallet_id, posted_at, _ in rows if posted_at is not None}

    def time_of(self, wallet: Wallet, entry: Entry) -> datetime:
        newest = self.newest.get(wallet.pk)
        posted_at = entry.posted_at or (self.now if newest is None else max(self.now, newest))
        if newest is not None and posted_at < newest:
            raise ValueError(f"A row of {posted_at} cannot follow one of {newest}: it would be older than the row before it.")
        self.newest[wallet.pk] = posted_at
        return posted_at


class _Lines:
    """Rows on their way into wallet_transfer by COPY, the quickest way there is to add one row or ten thousand."""

    TARGET = (
        "wallet_transfer (wallet_id, seq, debit, credit, amount_micros, promotion_micros, balance_after_micros, kind, reference, "
        "description, idempotency_key, happened_at, posted_at)"
    )

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, wallet: Wallet, entry: Entry, *, promotion_micros: int, posted_at: datetime) -> None:
        texts = copy_texts(entry.kind, entry.reference, entry.description, entry.idempotency_key)
        self.lines.append(
            f"{wallet.pk}\t{wallet.last_seq}\t{entry.debit}\t{entry.credit}\t{entry.amount_micros}\t{promotion_micros}\t{wallet.balance_micros}"
            f"\t{texts}\t{entry.happened_at.isoformat()}\t{posted_at.isoformat()}"
        )

    def copy(self) -> None:
        copy_rows(self.TARGET, self.lines)


_COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": ""})


def copy_texts(*texts: str) -> str:
    """The columns of several texts as COPY's text format wants them. PostgreSQL holds no NUL: it is dropped."""
    # Looked at all together: hardly ever is there anything to escape.
    whole = "".join(texts)
    plain = whole.isprintable() and "\\" not in whole
    return "\t".join(texts if plain else [text.translate(_COPY_ESCAPES) for text in texts])


def copy_rows(target: str, lines: Sequence[str]) -> None:
    """COPY lines of tab-separated, escaped columns into `target`, a table with its columns, written by us and never by a user."""
    if lines:
        # Django does not translate what COPY raises unless it is asked to.
        with connection.wrap_database_errors, connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {target} FROM STDIN", StringIO("\n".join(lines) + "\n"))


class _GivenCredit:
    """What the wallets' promotions have left while a batch is posted; read once, written once."""

    def __init__(self, wallets: Mapping[int, Wallet], entries: Mapping[int, Sequence[Entry]]) -> None:
        self.by_id: dict[int, Promotion] = {}
        self.spendable: dict[int, list[Promotion]] = {}
        self.touched: set[int] = set()
        with_credit = [wallet_id for wallet_id in entries if wallets[wallet_id].promotion_micros]
        named = {entry.promotion_id for batch in entries.values() for entry in batch if entry.promotion_id is not None}
        if with_credit or named:
            self._read(with_credit, named)

    def _read(self, wallet_ids: list[int], named: set[int]) -> None:
        left = Promotion.objects.filter(wallet_id__in=wallet_ids, remaining_micros__gt=0)
        self.by_id = {promotion.pk: promotion for promotion in (*left, *Promotion.objects.filter(pk__in=named))}
        # Soonest to expire first; what never expires comes last.
        for promotion in sorted(self.by_id.values(), key=lambda one: (one.expires_at is None, one.expires_at, one.pk)):
            self.spendable.setdefault(promotion.wallet_id, []).append(promotion)

    def part_of(self, wallet: Wallet, entry: Entry) -> int:
        """How much of the entry is given credit; moves it in the promotions."""
        if entry.promotion_id is not None:
            sign = 1 if entry.credit == Account.WALLET else -1
            self._move(wallet, self.by_id[entry.promotion_id], sign * entry.amount_micros)
            return entry.amount_micros
        if wallet.promotion_micros and entry.credit == Account.USAGE_REVENUE:
            return self._spend(wallet, entry.amount_micros)
        return 0

    def _spend(self, wallet: Wallet, amount_micros: int) -> int:
        left = amount_micros
        for promotion in self.spendable[wallet.pk]:
            part = min(left, promotion.remaining_micros)
            if part:
                self._move(wallet, promotion, -part)
                left -= part
        return amount_micros - left

    def _move(self, wallet: Wallet, promotion: Promotion, change_micros: int) -> None:
        assert promotion.wallet_id == wallet.pk, "A promotion is spent in its own wallet alone."
        promotion.remaining_micros += change_micros
        wallet.promotion_micros += change_micros
        self.touched.add(promotion.pk)

    def save(self) -> None:
        touched = [self.by_id[pk] for pk in sorted(self.touched)]
        if touched:
            Promotion.objects.bulk_update(touched, ["remaining_micros"])
