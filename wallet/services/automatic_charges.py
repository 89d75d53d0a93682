"""Decides on automatic charges: after a use, inside its own transaction, and when the sweep finds a rule due.

The decision is a row: a top-up of origin automatic, made under the wallet's lock, one open per wallet by a unique index.
Stripe is never asked here; top_ups.charge_top_up does, after commit.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Count, Q, Sum
from django.utils import timezone

from wallet.automatic_rule import Cap, Charged, size_charge
from wallet.ledger import lock_wallet
from wallet.models import IN_FLIGHT_STATUSES, OPEN_STATUSES, AutomaticPayments, Card, ChargingSwitch, Dispute, Notice, Origin, TopUp, Wallet
from wallet.services.automatic_suspension import suspend
from wallet.services.notices import notify_admins
from workspaces.wake import wake

FIRST_LOOK_AFTER = timedelta(seconds=60)
"""When the sweep looks after a charge whose message was lost."""
LOOK_AGAIN_AFTER = timedelta(minutes=1)
"""While other money is on its way nothing is charged; then it has come, or the rule is looked at again."""
PAUSED_LOOK_AFTER = timedelta(minutes=1)
"""The switch itself is read again before each charge; here it only keeps rows from being made in vain."""
DISPUTE_LOOK_AFTER = timedelta(hours=1)
TAKEN_WITHIN = timedelta(days=2)
"""Longer than it can take from the decision to the bank: dropped after an hour, and never sent again after a day (top_ups)."""

Suspension = AutomaticPayments.Suspension


def consider_charges(wallets: Iterable[Wallet]) -> None:
    """Make the automatic charge of each wallet that a use has just taken below its threshold.

    Inside the transaction of the uses; the caller holds these wallets' locks, and the rows carry the new sums.
    One query for any number of wallets, and some more for each that is below.
    """
    by_id = {wallet.pk: wallet for wallet in wallets}
    rules = AutomaticPayments.objects.filter(wallet_id__in=by_id, is_active=True, suspended_at=None)
    now = timezone.now()
    for rule in rules:
        wallet = by_id[rule.wallet_id]
        is_resting = rule.next_try_at is not None and rule.next_try_at > now
        if wallet.available_micros < rule.threshold_micros and not is_resting:
            decide_charge(wallet, rule, now=now)


@transaction.atomic
def reconsider_charge(wallet_id: int, *, now: datetime | None = None) -> TopUp | None:
    """Decide anew for a rule that is due: a pause after a decline is over, a cap has opened, other money came or did not.

    Locks: wallet. Idempotent by: `next_try_at`, which the decision moves or clears.
    """
    wallet = lock_wallet(wallet_id)
    now = now or timezone.now()
    rule = AutomaticPayments.objects.filter(wallet=wallet, is_active=True, suspended_at=None, next_try_at__lte=now).first()
    if rule is None:
        return None
    if rule.confirmation_link is not None and not _is_confirmed(rule):
        suspend(wallet, rule, Suspension.NOT_CONFIRMED)
        return None
    return decide_charge(wallet, rule, now=now)


def decide_charge(wallet: Wallet, rule: AutomaticPayments, *, now: datetime) -> TopUp | None:
    """The automatic top-up that the rule asks for now, if it does. The caller holds the wallet's lock."""
    if rule.confirmation_link_id is not None:
        # The cardholder is asked. What ends that is their payment, or the sweep once the link is over: its time must stay.
        return None
    rule.next_try_at = None
    top_up = None
    if wallet.closed_at is None and wallet.frozen_at is None and not _has_open_charge(wallet):
        top_up = _decide(wallet, rule, now=now)
    rule.save(update_fields=["next_try_at"])
    return top_up


def replace_on_backup(wallet: Wallet, rule: AutomaticPayments, *, declined: TopUp, card: Card) -> TopUp:
    """The same charge on the backup card, once the first is resolved. The caller holds the wallet's lock.

    The declined one counts toward no cap any more, so that this one fits where it did: see still_fits.
    """
    return _make(wallet, card=card, amount_micros=declined.amount_micros, now=timezone.now(), instead_of=declined)


def still_fits(wallet: Wallet, rule: AutomaticPayments, *, declined: TopUp) -> bool:
    """Whether the caps leave room for the same charge once more: the owner may have lowered them while it was under way."""
    charged = charged_so_far(wallet, now=timezone.now())
    return charged.today < rule.daily_charges_max and charged.month_micros + declined.amount_micros <= rule.monthly_cap_micros


def is_allowed(top_up: TopUp, *, wallet: Wallet, rule: AutomaticPayments) -> bool:
    """Whether a charge that is open may still be sent, as wallet, rule and caps stand now: the owner may have lowered them since."""
    if not rule.may_charge:
        # A dispute was lost meanwhile, and nobody has said that it goes on.
        return False
    if wallet.closed_at is not None or wallet.frozen_at is not None or Dispute.objects.filter(wallet=wallet, closed_at=None).exists():
        return False
    assert top_up.is_open, "What is open is counted in the caps already."
    charged = charged_so_far(wallet, now=timezone.now())
    return charged.today <= rule.daily_charges_max and charged.month_micros <= rule.monthly_cap_micros


def look_again(rule: AutomaticPayments) -> None:
    """Let the sweep decide anew, shortly. The caller holds the wallet's lock."""
    rule.next_try_at = timezone.now() + LOOK_AGAIN_AFTER
    rule.save(update_fields=["next_try_at"])


def charged_so_far(wallet: Wallet, *, now: datetime) -> Charged:
    """What automatic payments took, or may be taking, in the month and the day that it is in the workspace's zone.

    One that is decided on before midnight and taken after it counts on both sides: whichever day the bank calls it, no cap is passed.
    """
    return charged_by_wallet([wallet], now=now)[wallet.pk]


def charged_by_wallet(wallets: Collection[Wallet], *, now: datetime) -> dict[int, Charged]:
    """The same of each of some wallets, by their keys: one query, for pages."""
    of_zone: dict[ZoneInfo, list[int]] = defaultdict(list)
    for wallet in wallets:
        of_zone[wallet.workspace.zone].append(wallet.pk)
    counted, this_month, this_day = Q(pk__in=[]), Q(pk__in=[]), Q(pk__in=[])
    for zone, keys in of_zone.items():
        # Where the clock is set back over midnight the day begins at the first of the two: fold names the second.
        today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        month = today.replace(day=1)
        counted |= Q(wallet__in=keys, created_at__gte=month - TAKEN_WITHIN)
        this_month |= Q(wallet__in=keys) & _under_way_since(month)
        this_day |= Q(wallet__in=keys) & _under_way_since(today)
    taken = TopUp.objects.filter(counted, origin=Origin.AUTOMATIC, status__in=(*OPEN_STATUSES, TopUp.Status.SUCCEEDED))
    sums = taken.order_by().values("wallet_id").annotate(month=Sum("amount_micros", filter=this_month), today=Count("pk", filter=this_day))
    found = {row["wallet_id"]: Charged(month_micros=row["month"] or 0, today=row["today"]) for row in sums}
    return {wallet.pk: found.get(wallet.pk, Charged()) for wallet in wallets}


def _under_way_since(moment: datetime) -> Q:
    return Q(created_at__gte=moment) | Q(resolved_at__gte=moment) | Q(resolved_at=None)


def chargeable_card(wallet: Wallet) -> Card | None:
    """The default card, or the backup where the bank refused the default for good; None where there is neither."""
    kept = Card.objects.filter(wallet=wallet, removed_at=None, refused_at=None)
    return kept.filter(Q(is_default=True) | Q(is_backup=True)).order_by("-is_default").first()


def expected_micros(wallet: Wallet) -> int:
    """Available, and what is on its way: saved cards that are being charged, and links that were paid and are processing."""
    on_its_way = TopUp.objects.filter(wallet=wallet).filter(
        Q(card__isnull=False, payment_link=None, status__in=IN_FLIGHT_STATUSES) | Q(status=TopUp.Status.PROCESSING)
    )
    return wallet.available_micros + (on_its_way.aggregate(sum=Sum("amount_micros"))["sum"] or 0)


def _decide(wallet: Wallet, rule: AutomaticPayments, *, now: datetime) -> TopUp | None:
    expected = expected_micros(wallet)
    if wallet.available_micros >= rule.threshold_micros:
        return None
    if expected >= rule.threshold_micros:
        rule.next_try_at = now + LOOK_AGAIN_AFTER
        return None
    if ChargingSwitch.objects.filter(paused_at__isnull=False).exists():
        rule.next_try_at = now + PAUSED_LOOK_AFTER
        return None
    if Dispute.objects.filter(wallet=wallet, closed_at=None).exists():
        rule.next_try_at = now + DISPUTE_LOOK_AFTER
        return None
    card = chargeable_card(wallet)
    if card is None:
        is_refused = Card.objects.filter(wallet=wallet, removed_at=None).exists()
        suspend(wallet, rule, Suspension.CARD_REFUSED if is_refused else Suspension.NO_CARD)
        return None
    charge = size_charge(rule.terms, expected_micros=expected, charged=charged_so_far(wallet, now=now), currency=wallet.currency)
    if isinstance(charge, Cap):
        _wait_for(charge, wallet, rule, now=now)
        return None
    return _make(wallet, card=card, amount_micros=charge, now=now)


def _make(wallet: Wallet, *, card: Card, amount_micros: int, now: datetime, instead_of: TopUp | None = None) -> TopUp:
    top_up = TopUp.objects.create(
        wallet=wallet,
        origin=Origin.AUTOMATIC,
        amount_micros=amount_micros,
        card=card,
        request_id=f"automatic:{uuid4()}",
        next_check_at=now + FIRST_LOOK_AFTER,
        instead_of=instead_of,
        # By the clock that decided: another host's, or the database's, may be on another day, and count it there.
        created_at=now,
    )
    wake("wallet.tasks.charge_top_up", str(top_up.pk))
    return top_up


def _wait_for(cap: Cap, wallet: Wallet, rule: AutomaticPayments, *, now: datetime) -> None:
    """Until the cap opens again; told once per month or day."""
    rule.next_try_at = cap_opens_at(cap, zone=wallet.workspace.zone, now=now)
    notify_admins(wallet.pk, kind=Notice.Kind.CAP_REACHED, reference=f"{cap}:{rule.next_try_at:%Y-%m-%d}")


def cap_opens_at(cap: Cap, *, zone: ZoneInfo, now: datetime) -> datetime:
    """The next midnight, or the next first of a month, there, whatever daylight saving does to it."""
    today = now.astimezone(zone).date()
    day = today + timedelta(days=1) if cap is Cap.DAILY else (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _has_open_charge(wallet: Wallet) -> bool:
    return TopUp.objects.filter(wallet=wallet, origin=Origin.AUTOMATIC, status__in=OPEN_STATUSES).exists()


def _is_confirmed(rule: AutomaticPayments) -> bool:
    return rule.confirmation_link is not None and rule.confirmation_link.used_at is not None
