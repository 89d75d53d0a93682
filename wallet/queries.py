"""What pages and the API read of a wallet. Every query starts from one wallet and has a limit; nothing here writes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from wallet.models import OPEN_STATUSES, Account, Card, PaymentLink, TopUp, Transfer, Wallet

PAGE_ROWS = 50
PAGE_ROWS_MAX = 500
OPEN_LINKS_MAX = 50


def database_time() -> datetime:
    """The one clock that decides what is over, whichever host asks (faults: D10)."""
    with connection.cursor() as cursor:
        # The ORM reads a clock only beside a row.
        cursor.execute("SELECT statement_timestamp()")
        (now,) = cursor.fetchone()
    return now  # type: ignore[no-any-return]  # psycopg2 is untyped: a timestamptz is a datetime


@dataclass(frozen=True)
class TransferPage:
    """Transfers, newest first; `next_before_seq` asks for the rows after them, None where there are no more."""

    transfers: list[Transfer]
    next_before_seq: int | None


def transfers_page(
    wallet: Wallet,
    *,
    kinds: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    before_seq: int | None = None,
    limit: int = PAGE_ROWS,
) -> TransferPage:
    """One page of the wallet's history: of some kinds or all, booked in [since, until), below `before_seq`.

    As quick on the millionth page as on the first: every filter becomes a range of seq, and each kind is read along
    its own index.
    """
    limit = min(limit, PAGE_ROWS_MAX)
    rows = _booked_between(_rows_of_wallet(wallet), since=since, until=until)
    if before_seq is not None:
        rows = rows.filter(seq__lt=before_seq)
    found = list(_newest(rows, kinds=kinds, count=limit + 1))
    page = found[:limit]
    return TransferPage(page, page[-1].seq if len(found) > limit else None)


def transfers_in_book_order(wallet: Wallet, *, since: datetime | None = None, until: datetime | None = None) -> "QuerySet[Transfer]":
    """The wallet's history, oldest first, for exports; iterate it, it may be long."""
    return _booked_between(_rows_of_wallet(wallet), since=since, until=until).order_by("seq")


def seqs_between(wallet: Wallet, *, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """The period [since, until) as a range of seq: the rows above the first number and below the second."""
    rows = Transfer.objects.filter(wallet=wallet).order_by("posted_at", "seq").values_list("seq", flat=True)
    first = rows.filter(posted_at__gte=since).first() if since is not None else 1
    after = rows.filter(posted_at__gte=until).first() if until is not None else None
    end = wallet.last_seq + 1
    return ((first or end) - 1, min(after or end, end))


@dataclass(frozen=True)
class KindSum:
    """What the wallet's rows of one kind moved, in one direction."""

    kind: str
    is_credit: bool
    rows: int
    amount_micros: int


def kind_sums(wallet: Wallet, *, above: int, below: int) -> list[KindSum]:
    """The sums of each kind over the rows between two seqs (see seqs_between), both left out. Zero rows of free uses count."""
    rows = _rows_of_wallet(wallet).filter(seq__gt=above, seq__lt=below).values("kind", "credit")
    summed = rows.annotate(rows=Count("seq"), micros=Sum("amount_micros")).order_by("kind", "credit")
    sums: dict[tuple[str, bool], tuple[int, int]] = {}
    for row in summed:
        key = (row["kind"], row["credit"] == Account.WALLET)
        count, micros = sums.get(key, (0, 0))
        sums[key] = (count + row["rows"], micros + int(row["micros"]))
    return [KindSum(kind, is_credit, count, micros) for (kind, is_credit), (count, micros) in sums.items()]


def balance_at(wallet: Wallet, *, seq: int) -> int:
    """The balance after that row; 0 before the first one."""
    found = Transfer.objects.filter(wallet=wallet, seq=seq).values_list("balance_after_micros", flat=True).first()
    return found or 0


def transfers_of_seqs(wallet: Wallet, seqs: Collection[int], *, kinds: Collection[str] = ()) -> list[Transfer]:
    """These rows of the wallet's own money, of some kinds or all, newest first."""
    rows = _rows_of_wallet(wallet).filter(seq__in=list(seqs))
    return list((rows.filter(kind__in=list(kinds)) if kinds else rows).order_by("-seq"))


def seqs_of_idempotency_keys(wallet: Wallet, keys: Collection[str]) -> list[int]:
    """The rows that were posted under these keys."""
    return list(Transfer.objects.filter(wallet=wallet, idempotency_key__in=list(keys)).values_list("seq", flat=True))


def _rows_of_wallet(wallet: Wallet) -> "QuerySet[Transfer]":
    """Rows that moved the wallet's own money: a lost dispute, say, moves only what had left it before."""
    return Transfer.objects.filter(Q(debit=Account.WALLET) | Q(credit=Account.WALLET), wallet=wallet)


def _booked_between(rows: "QuerySet[Transfer]", *, since: datetime | None, until: datetime | None) -> "QuerySet[Transfer]":
    """posted_at never falls as seq rises, so that a period is a range of seq, found by two steps into one index."""
    by_time = rows.order_by("posted_at", "seq").values_list("seq", flat=True)
    if since is not None:
        first = by_time.filter(posted_at__gte=since).first()
        # Not none(): pages of several kinds are a union, which cannot begin with it.
        rows = rows.filter(seq__gte=first) if first is not None else rows.filter(seq__in=())
    if until is not None:
        after = by_time.filter(posted_at__gte=until).first()
        rows = rows.filter(seq__lt=after) if after is not None else rows
    return rows


def _newest(rows: "QuerySet[Transfer]", *, kinds: Sequence[str], count: int) -> "QuerySet[Transfer]":
    if not kinds:
        return rows.order_by("-seq")[:count]
    first, *others = (rows.filter(kind=kind).order_by("-seq")[:count] for kind in kinds)
    return first.union(*others, all=True).order_by("-seq")[:count] if others else first


def kept_cards(wallet: Wallet) -> "QuerySet[Card]":
    """The wallet's saved cards: the default first, then the backup, then the newest."""
    return Card.objects.filter(wallet=wallet, removed_at=None).order_by("-is_default", "-is_backup", "-connected_at")


def open_payment_links(wallet: Wallet) -> "QuerySet[PaymentLink]":
    """Links that somebody may still pay or connect a card with, newest first."""
    unused = PaymentLink.objects.filter(wallet=wallet, used_at=None, withdrawn_at=None)
    links = unused.filter(wallet__closed_at=None, expires_at__gt=timezone.now())
    return links.select_related("created_by").order_by("-created_at")[:OPEN_LINKS_MAX]


@dataclass(frozen=True)
class LinkPage:
    """Payment links, newest first; `next_before` asks for those after them, None where there are no more."""

    links: list[PaymentLink]
    next_before: UUID | None


def payment_links_page(wallet: Wallet, *, before: UUID | None = None, limit: int = PAGE_ROWS) -> LinkPage:
    """One page of all links ever made, below the link `before`: one that is not the wallet's gives none."""
    limit = min(limit, PAGE_ROWS_MAX)
    links = PaymentLink.objects.filter(wallet=wallet).select_related("wallet").order_by("-created_at", "-pk")
    if before is not None:
        last = links.filter(pk=before).first()
        if last is None:
            return LinkPage([], None)
        links = links.filter(Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, pk__lt=last.pk))
    found = list(links[: limit + 1])
    return LinkPage(found[:limit], found[limit - 1].pk if len(found) > limit else None)


def open_top_ups(wallet: Wallet) -> "QuerySet[TopUp]":
    """Top-ups that may still bring money."""
    return TopUp.objects.filter(wallet=wallet, status__in=OPEN_STATUSES)


class WalletStatus(StrEnum):
    """What the status bar says of a wallet."""

    UNCONNECTED = "unconnected"
    FINE = "fine"


def wallet_status(wallet: Wallet) -> WalletStatus:
    """Unconnected: no money, no card, and none there ever was."""
    if wallet.available_micros > 0 or kept_cards(wallet).exists():
        return WalletStatus.FINE
    was_paid = TopUp.objects.filter(wallet=wallet, status=TopUp.Status.SUCCEEDED).exists()
    return WalletStatus.FINE if was_paid else WalletStatus.UNCONNECTED
