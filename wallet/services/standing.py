"""Tells owner, admins and the platform how a wallet stands, each time that changes, in the transaction that changed it.

What was told last is kept in `Wallet.announced`. What changes by time alone, and what nobody told, the sweep finds.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Max, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from wallet.ledger import lock_wallet
from wallet.models import OPEN_STATUSES, Account, EventType, Notice, Origin, TopUp, Transfer, Wallet
from wallet.models import Kind as TransferKind
from wallet.queries import database_time
from wallet.services.notices import notify_admins
from wallet.services.outgoing import announce
from wallet.standing import Standing, low_level_micros, occurrence_of, standing_of

TOLD_AT_ONCE = 50
"""The most wallets that one transaction tells of: a batch keeps its locks for a short time. The sweep tells of the rest."""
FINE_AGAIN_TIMES = 2
"""A low balance is fine again when money comes in. Where none did, it takes so many times the level: calls that set money
aside and give it back must not make news again and again."""
MAILED_AGAIN_AFTER = timedelta(days=1)
"""Where no money came in meanwhile: calls that end one by one with all of it set aside use it up again and again."""

Kind = Notice.Kind
_MONEY_IN = (
    TransferKind.TOP_UP,
    TransferKind.AUTOMATIC_PAYMENT,
    TransferKind.PROMOTION,
    TransferKind.ADJUSTMENT,
    TransferKind.REFUND_FAILED,
    TransferKind.DISPUTE_WON,
)


def announce_standings(wallets: Iterable[Wallet], *, came_in: bool = False) -> None:
    """Tell of each wallet whose standing is not what was told last.

    Inside the transaction that changed it; the caller holds these wallets' locks, and the rows carry the new sums.
    `came_in` where money came in: a wallet that has little all the same was not used up to it, so that is no news.
    No query at all where nothing has changed.
    """
    # By this host's clock first, which costs nothing; the database's clock decides.
    seem_changed = [wallet for wallet in wallets if _next(wallet, now=timezone.now(), came_in=came_in) is not None][:TOLD_AT_ONCE]
    if not seem_changed:
        return
    now = database_time()
    changed = [(wallet, standing) for wallet in seem_changed if (standing := _next(wallet, now=now, came_in=came_in)) is not None]
    for wallet, standing in changed:
        before, wallet.announced = Standing(wallet.announced), standing
        _tell(wallet, before=before, standing=standing, now=now, came_in=came_in)
    Wallet.objects.bulk_update([wallet for wallet, _ in changed], ["announced"])


@transaction.atomic
def announce_standing(wallet_id: int) -> None:
    """Tell of one wallet that the sweep has found. Locks: wallet. Idempotent by: `announced`."""
    announce_standings([lock_wallet(wallet_id)])


@transaction.atomic
def set_low_level(wallet: Wallet, *, micros: int | None) -> None:
    """With less available, people and the platform are told, at once where it is so already; None for the least top-up.

    Locks: wallet.
    """
    locked = lock_wallet(wallet.pk)
    before_micros, locked.low_balance_micros = low_level_micros(locked), micros
    locked.save(update_fields=["low_balance_micros"])
    # A lower level ends a low balance as money does.
    announce_standings([locked], came_in=low_level_micros(locked) < before_micros)


def stale_standings() -> "QuerySet[Wallet]":
    """The wallets whose standing is not what was told last, by the database's clock: _next, found by index alone.

    What a row shows by itself stands in `is_untold`; how the grace time ends or begins anew, in `grace_ends_at`. A trigger keeps both.
    """
    is_over = Q(closed_at=None, announced=Standing.DEPLETED, grace_ends_at__lte=Now())
    goes_on_again = Q(closed_at=None, announced=Standing.PAUSED, grace_ends_at__gt=Now())
    has_overdraft_left = Q(balance_micros__gt=F("held_micros") - F("overdraft_micros"))
    return Wallet.objects.filter(Q(is_untold=True) | is_over | (goes_on_again & has_overdraft_left))


def _next(wallet: Wallet, *, now: datetime, came_in: bool) -> Standing | None:
    """How it stands now, where that is to be kept; None where it is as it was told."""
    standing = standing_of(wallet, now=now)
    if standing == wallet.announced or wallet.closed_at is not None:
        return None
    if (standing, wallet.announced) == (Standing.FINE, Standing.LOW):
        is_fine = came_in or wallet.available_micros >= low_level_micros(wallet) * FINE_AGAIN_TIMES
        return standing if is_fine else None
    return standing


def _tell(wallet: Wallet, *, before: Standing, standing: Standing, now: datetime, came_in: bool) -> None:
    if standing.is_out:
        _tell_of_running_out(wallet, before=before, standing=standing, now=now)
    elif before.is_out:
        _announce(wallet, EventType.RESTORED, now=now)
    elif standing is Standing.LOW and not came_in:
        _announce(wallet, EventType.LOW_BALANCE, now=now)
        _mail_low_balance(wallet, now=now)


def _tell_of_running_out(wallet: Wallet, *, before: Standing, standing: Standing, now: datetime) -> None:
    """By mail once each time; the platform is also told that calls go on again, when the bank gave the owner more time."""
    if standing is Standing.DEPLETED or not before.is_out:
        _announce(wallet, EventType.DEPLETED, now=now)
    if standing is Standing.PAUSED:
        _announce(wallet, EventType.PAUSED, now=now)
    kind = Kind.CALLS_PAUSED if standing is Standing.PAUSED else Kind.BALANCE_USED_UP
    if not _is_mailed(wallet, kind, now=now):
        notify_admins(wallet.pk, kind=kind, reference=occurrence_of(wallet))


def _is_mailed(wallet: Wallet, kind: Notice.Kind, *, now: datetime) -> bool:
    """Whether such a mail went out of late, and no money came in since."""
    sent = Notice.objects.filter(wallet=wallet, kind=kind, created_at__gt=now - MAILED_AGAIN_AFTER, sent_at__isnull=False)
    newest = sent.aggregate(at=Max("created_at"))["at"]
    if newest is None:
        return False
    return not Transfer.objects.filter(wallet=wallet, kind__in=_MONEY_IN, credit=Account.WALLET, posted_at__gt=newest).exists()


def _mail_low_balance(wallet: Wallet, *, now: datetime) -> None:
    """Once a day at most, and not while the card is being charged for it: that is told by itself, however it ends."""
    if not TopUp.objects.filter(wallet=wallet, origin=Origin.AUTOMATIC, status__in=OPEN_STATUSES).exists():
        day = now.astimezone(wallet.workspace.zone).date()
        notify_admins(wallet.pk, kind=Kind.LOW_BALANCE, reference=day.isoformat())


def _announce(wallet: Wallet, event: EventType, *, now: datetime) -> None:
    """`announced`, under the wallet's lock, is what makes it once; the moment tells one change from the next."""
    data = {"low_balance_micros": low_level_micros(wallet), "grace_until": wallet.grace_until}
    announce(wallet.pk, event=event, data=data, key=f"{event}:{now.isoformat()}")
