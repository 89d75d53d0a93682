"""Proves that the books are right, as far as tables can show it. Reads only; repairs nothing.

Each app with books of its own lists its checks as CHECKS in its services/books.py; `installed_checks` finds them all.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.db.models import Sum
from django.db.models.functions import Coalesce
from django.utils.module_loading import module_has_submodule

from wallet import act_book_queries, book_queries, seal_queries
from wallet.models import Account, Wallet
from wallet.money import format_exact
from wallet.services.seals import Progress, first_broken_day

BATCH_ROWS = 200_000
"""About how many transfers one snapshot covers: a second or two, in constant memory. A book is never split."""
BATCH_WALLETS = 5_000
FAULTS_MAX = 1_000
"""The most faults that one run lists; more of them say nothing more."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that must hold. `statement` answers a row per fault (see book_queries for its parameters and columns).

    `words` says what each value of the row's `fault` means, as a format string over its columns; money is written out.
    """

    name: str
    proves: str
    statement: str
    words: Mapping[str, str]


CHECKS = [
    Check(
        name="chain",
        proves="each book counts 1, 2, 3 …, and each balance is the one before it and what the row moved",
        statement=book_queries.CHAIN,
        words={
            "no wallet": "stands in a book without a wallet",
            "hole": "should have seq {expected_seq}: what stands between is missing",
            "amount": "moves {amount_micros} from {debit} to {credit}, and should move more than nothing",
            "accounts": "moves from {debit} to {credit}, and should move between two different accounts that there are",
            "given part": "has {promotion_micros} of given credit, and should have a part of its {amount_micros}",
            "balance": "has a balance after it of {balance_after_micros}, and should have {expected_micros}: "
            "{before_micros} before it, and it moved {change_micros}",
            "time": "was booked at {posted_at}, and should not be older than the row before it, of {posted_before}",
        },
    ),
    Check(
        name="sums",
        proves="what the wallet caches is what its rows, open holds and promotions add up to",
        statement=book_queries.SUMS,
        words={
            "newest row": "says that its newest row is {last_seq}, and should say {newest_seq}",
            "balance": "says that its balance is {balance_micros}, and should say {booked_micros}: so much its rows add up to",
            "held": "says that {held_micros} is held, and should say {open_micros}: so much its open holds add up to",
            "given": "says that {promotion_micros} of it was given, and should say {given_micros}: "
            "so much its rows granted, less what they spent and let expire",
            "left": "says that {promotion_micros} of it was given, and should say {left_micros}: so much its promotions have left",
        },
    ),
    Check(
        name="holds",
        proves="each hold is open or resolved, and only a captured one has charged something",
        statement=book_queries.HOLDS,
        words={
            "resolved": "has the hold {id}, which is {status} and says otherwise by its time of resolution",
            "captured": "has the hold {id}, which is {status} and should not have charged {captured_micros}",
        },
    ),
    Check(
        name="top-ups",
        proves="each succeeded payment has exactly one credit, of its amount",
        statement=book_queries.TOP_UPS,
        words={
            "not credited": "has no credit for the top-up {id} of {amount_micros}, which succeeded, and should have one",
            "credited twice": "is one of {credits} credits for the top-up {id}, and there should be one",
            "amount": "credits {credited_micros} for the top-up {id}, and should credit {amount_micros}",
            "no payment": "credits the top-up {id}, which succeeded without a payment at Stripe, and should have one",
        },
    ),
    Check(
        name="credits",
        proves="each credit from Stripe names exactly one succeeded payment of its own wallet",
        statement=book_queries.CREDITS,
        words={
            "direction": "moves from {debit} to {credit}, and what involves Stripe should move from stripe to wallet",
            "no payment": "credits money from Stripe for {reference}, and there is no such top-up",
            "elsewhere": "credits the top-up {reference}, which is {owner}'s, and should stand in that wallet's book",
            "not paid": "credits the top-up {reference}, which is {status}, and should have succeeded",
            "key": "credits the top-up {reference} under the key {idempotency_key}, and should do so under top-up:{reference}",
        },
    ),
    Check(
        name="refunds",
        proves="each refund of a credited top-up is taken once, and put back once where it failed",
        statement=book_queries.REFUNDS,
        words={
            "elsewhere": "has the refund {stripe_refund_id} of a top-up that is another wallet's",
            "taken": "gave up {taken_micros} for the refund {stripe_refund_id}, and should have given up {due_micros}",
            "returned": "got {returned_micros} back for the refund {stripe_refund_id}, which is {status}, "
            "and should have got {due_back_micros}",
        },
    ),
    Check(
        name="disputes",
        proves="each dispute took, put back and wrote off what Stripe did",
        statement=book_queries.DISPUTES,
        words={
            "elsewhere": "has the dispute {stripe_dispute_id} of a top-up that is another wallet's",
            "taken": "gave up {taken_micros} for the dispute {stripe_dispute_id}, and should have given up {due_micros}",
            "returned": "got {returned_micros} back for the dispute {stripe_dispute_id}, and should have got {due_back_micros}",
            "lost": "wrote {lost_micros} off for the dispute {stripe_dispute_id}, which is {status}, "
            "and should have written off {due_lost_micros}",
        },
    ),
    Check(
        name="promotions",
        proves="each promotion was granted once, of its amount, and has no more left than it can have",
        statement=book_queries.PROMOTIONS,
        words={
            "granted": "was granted {granted_micros} for the promotion {id}, and should have been granted {amount_micros}",
            "left": "has {remaining_micros} left of the promotion {id} of {amount_micros}, of which {expired_micros} expired",
        },
    ),
    Check(
        name="other sides",
        proves="each row of a refund, dispute or promotion names one of its own wallet",
        statement=book_queries.OTHER_SIDES,
        words={
            "direction": "moves from {debit} to {credit}, and should have the wallet on one side",
            "no refund": "books the refund {reference}, and the wallet has no such refund",
            "no dispute": "books the dispute {reference}, and the wallet has no such dispute",
            "no promotion": "books the promotion {reference}, and the wallet has no such promotion",
            "given part": "moves {amount_micros} of given credit, and should count all of it as given, not {promotion_micros}",
        },
    ),
    Check(
        name="adjustments",
        proves="each adjustment was booked once, of its amount, where it was approved, and none without",
        statement=act_book_queries.ADJUSTMENTS,
        words={
            "no adjustment": "books the adjustment {reference}, and the wallet has no such adjustment",
            "not booked": "has the adjustment {id} of {amount_micros}, which is done and should have been booked",
            "not approved": "books the adjustment {id}, which is {status} and should not have been booked",
            "amount": "books {booked_micros} for the adjustment {id}, and should book {amount_micros}",
        },
    ),
    Check(
        name="grants",
        proves="each promotion that was asked for was given once, of its amount, where it was approved, and none without",
        statement=act_book_queries.GRANTS,
        words={
            "no grant": "was given the promotion {promotion_id} for a grant that the wallet does not have",
            "not given": "has the grant {id} of {amount_micros}, which is done and should have its promotion",
            "not approved": "was given the promotion {promotion_id} for the grant {id}, which is {status}",
            "amount": "was given {given_micros} for the grant {id}, and should have been given {amount_micros}",
        },
    ),
    Check(
        name="refunds asked for",
        proves="the money of each refund that is under way is set aside, and each that is over names what became of it",
        statement=act_book_queries.REFUND_REQUESTS,
        words={
            "no request": "has {aside_micros} set aside as {idempotency_key}, and no such refund is under way",
            "elsewhere": "asks for the refund {id} of a top-up that is another wallet's",
            "set aside": "has {aside_micros} set aside for the refund {id}, which is {status}, and should have {due_micros}",
            "refund": "names {stripe_refund_id} of {refunded_micros} as what became of the refund {id} of {amount_micros}",
            "outcome": "calls the refund {id} {status}, and {stripe_refund_id} is {refund_status}",
        },
    ),
    Check(
        name="seals",
        proves="no row of a day that was sealed was changed or taken away since",
        statement=seal_queries.BROKEN_SEALS,
        words={
            "seal missing": "should have the seal {expected_number}, and the next one there is, {number}, "
            "does not follow the one before it",
            "seal changed": "has the seal {number} of {day}, which is not what it was when it was made",
            "rows changed": "has rows from {first_seq} to {through_seq} that are not what they were "
            "when the seal {number} of {day} was made",
        },
    ),
]


def installed_checks() -> list[Check]:
    """The checks of every installed app, in the order of INSTALLED_APPS."""
    checks: list[Check] = []
    for config in apps.get_app_configs():
        if module_has_submodule(config.module, "services") and find_spec(f"{config.name}.services.books"):
            checks += import_module(f"{config.name}.services.books").CHECKS
    return checks


@dataclass(frozen=True)
class Fault:
    """Something that does not hold, in words: what is, and what should be. Without a wallet it is about all of them.

    `about` tells it from other faults of the same check in the same place, and stays the same while the amounts change.
    """

    check: str
    wallet: str | None
    seq: int | None
    words: str
    about: str = ""

    def __str__(self) -> str:
        where = f"Wallet {self.wallet}" if self.wallet else "The whole"
        row = "" if self.seq is None else f", row {self.seq},"
        return f"{where}{row} {self.words} ({self.check})."


@dataclass(frozen=True)
class WalletRange:
    """Wallets with `after` < key ≤ `up_to`, and about how many rows their books have.

    Ranges follow each other without a gap, so that rows whose wallet is gone are seen as well.
    """

    after: int
    up_to: int
    rows: int = 0

    @classmethod
    def of(cls, wallet: Wallet) -> "WalletRange":
        """One wallet alone."""
        return cls(wallet.pk - 1, wallet.pk, wallet.last_seq)


KEY_LEAST, KEY_MOST = -(2**63), 2**63 - 1
ALL_WALLETS = WalletRange(KEY_LEAST, KEY_MOST)


@dataclass
class Outcome:
    """What was looked at, and what is wrong with it. `accounts` is what came into each account, net, by currency and account."""

    wallets: int = 0
    transfers: int = 0
    accounts: dict[tuple[str, str], int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def check_books(
    checks: Sequence[Check],
    *,
    only: Wallet | None = None,
    faults_max: int = 1,
    progress: Progress = lambda done, total: None,
    days_progress: Progress = lambda done, total: None,
) -> Outcome:
    """Look for faults, one batch of wallets after the other, until `faults_max` are found.

    `progress` is told of rows, and `days_progress` of day seals, whose chain is looked at last.
    Each batch is seen in one snapshot, so that nothing that is posted meanwhile looks like a fault, and nothing waits.
    Not inside a transaction: it opens its own.
    """
    outcome = Outcome()
    total, done = rows_of(only), 0
    for wallets in [WalletRange.of(only)] if only else wallet_ranges():
        with _snapshot():
            for number, check in enumerate(checks, start=1):
                outcome.faults += find_faults([check], wallets=wallets, limit=faults_max - len(outcome.faults))
                if len(outcome.faults) >= faults_max:
                    return outcome
                progress(done + wallets.rows * number // len(checks), total)
            _count(outcome, wallets)
        done += wallets.rows
    outcome.faults += _out_of_balance(outcome)
    if only is None:
        outcome.faults += _broken_day_chain(days_progress)
    return outcome


def find_faults(checks: Sequence[Check], *, wallets: WalletRange = ALL_WALLETS, limit: int = FAULTS_MAX) -> list[Fault]:
    """What does not hold in these wallets' books, as the current transaction sees them; up to `limit` of each check."""
    return [fault for check in checks for fault in _worded(check, _rows(check.statement, wallets, limit=limit))]


_NAMES = (
    *("id", "stripe_refund_id", "stripe_dispute_id", "promotion_id", "number", "reference", "idempotency_key"),
    *("source", "event_id", "meter_id", "day", "month", "scope", "value"),
)
"""Columns that say which row of another table a fault is about."""


def _rows(statement: str, wallets: WalletRange, *, limit: int) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"after": wallets.after, "up_to": wallets.up_to, "limit": limit, "accounts": Account.values})
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _worded(check: Check, rows: list[dict[str, Any]]) -> Iterator[Fault]:
    wallets = Wallet.objects.select_related("workspace").in_bulk([row["wallet_id"] for row in rows])
    for row in rows:
        wallet = wallets.get(row["wallet_id"])
        name = wallet.workspace.public_id if wallet else f"with the key {row['wallet_id']}"
        facts = {column: _written(column, value, wallet=wallet) for column, value in row.items()}
        about = ":".join([row["fault"], *(str(row[column]) for column in _NAMES if row.get(column) is not None)])
        yield Fault(check.name, name, row["seq"], check.words[row["fault"]].format(**facts), about)


def _written(column: str, value: Any, *, wallet: Wallet | None) -> str:
    if not column.endswith("_micros") or value is None:
        return str(value)
    return format_exact(int(value), currency=wallet.currency) if wallet else f"{value} micros"


def rows_of(only: Wallet | None) -> int:
    """About how many there are, as the wallets say it: of one, or of all."""
    return only.last_seq if only else Wallet.objects.aggregate(rows=Coalesce(Sum("last_seq"), 0))["rows"]


def wallet_ranges() -> Iterator[WalletRange]:
    """All wallets, one batch after the other."""
    after = KEY_LEAST
    while after < KEY_MOST:
        wallets = _next_range(after)
        yield wallets
        after = wallets.up_to


def _next_range(after: int) -> WalletRange:
    following = Wallet.objects.filter(pk__gt=after).order_by("pk").values_list("pk", "last_seq")[: BATCH_WALLETS + 1]
    rows = 0
    for count, (key, last_seq) in enumerate(following, start=1):
        rows += last_seq
        if rows >= BATCH_ROWS or count == BATCH_WALLETS:
            return WalletRange(after, key, rows)
    return WalletRange(after, KEY_MOST, rows)


@contextmanager
def _snapshot() -> Iterator[None]:
    """All of a batch is read as it stood at one moment, and nothing can be written."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # A long book takes as long as it takes; compiling each of many short statements would take longer than running it.
        cursor.execute("SET LOCAL statement_timeout = 0; SET LOCAL jit = off")
        yield


def _count(outcome: Outcome, wallets: WalletRange) -> None:
    outcome.wallets += Wallet.objects.filter(pk__gt=wallets.after, pk__lte=wallets.up_to).count()
    for row in _rows(book_queries.ACCOUNTS, wallets, limit=0):
        account = (row["currency"], row["account"])
        outcome.accounts[account] = outcome.accounts.get(account, 0) + int(row["net_micros"])
        outcome.transfers += int(row["transfers"])


def _broken_day_chain(progress: Progress) -> Iterator[Fault]:
    """Each day's seal is over its books' seals and the day before."""
    day = first_broken_day(progress=progress)
    if day is not None:
        yield Fault("day seals", None, None, f"of all books has a seal of {day} that is not what it was when it was made")


def _out_of_balance(outcome: Outcome) -> Iterator[Fault]:
    """What left one account entered another, so that all accounts of a currency add up to nothing."""
    for currency in sorted({currency for currency, _ in outcome.accounts}):
        net_micros = sum(net for (of, _), net in outcome.accounts.items() if of == currency)
        if net_micros:
            found = format_exact(net_micros, currency=currency)
            yield Fault(
                "accounts", None, None, f"of all accounts in {currency.upper()} adds up to {found}, and should add up to nothing", currency
            )
