"""Two made-up customers to look at: one with two months of history, one that has only just begun. Never part of a real book.

Uses are reported like any other and each credit has its top-up and receipt, so that check_books holds of it.
"""

import hmac
from base64 import b32encode
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from random import Random

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from billing.automatic_words import consent_sentence
from billing.demo_usage import made_up_uses
from usage.cloud_events import made_here
from usage.services.ingestion import Reporter, Taken, take_over_events
from wallet.automatic_rule import Terms
from wallet.ledger import Entry, post
from wallet.models import Account, AutomaticPayments, Card, Kind, Origin, Promotion, StripeMovement, TopUp, Wallet
from wallet.money import MICROS, currency_of, divide_half_up
from wallet.services.wallets import open_wallet
from workspaces.models import Membership, Role, User, Workspace
from workspaces.services import add_user, create_workspace

DAYS = 66
"""So that last month is whole, and can be held against this one."""
TOP_UP_BELOW_MICROS, TOP_UP_MICROS = 4 * MICROS, 25 * MICROS
AUTOMATIC_DAYS = 40
"""So long ago somebody had enough of topping up by hand."""
TERMS = Terms(threshold_micros=10 * MICROS, amount_micros=TOP_UP_MICROS, monthly_cap_micros=200 * MICROS)
TEST_CARD = "pm_card_visa"
"""A name that Stripe keeps for every test account, and its sandbox too (docs.stripe.com/testing), so that it can be charged."""
USES_AT_ONCE = 20
"""Few enough that no batch spends what is left."""
GIFT_MICROS = 5 * MICROS
FEE_MINOR, FEE_PER_MILLE = 30, 29
"""What Stripe takes for a domestic card in the USA."""


@dataclass(frozen=True)
class Person:
    """Someone to sign in as."""

    email: str
    name: str
    role: Role


PEOPLE = (
    Person("owner@demo.example", "Olivia Ortiz", Role.OWNER),
    Person("admin@demo.example", "Adam Novak", Role.ADMIN),
    Person("member@demo.example", "Mia Larsen", Role.MEMBER),
)


def demo_password() -> str:
    """The people's password, derived from SECRET_KEY: another one on every installation, the same on every run."""
    letters = b32encode(hmac.digest(settings.SECRET_KEY.encode(), b"demo password", "sha256")[:10]).decode().lower()
    return "-".join(letters[start : start + 4] for start in range(0, 16, 4))


@transaction.atomic
def seed_demo(password: str) -> list[Person]:
    """Add the people and both workspaces where they are missing; answers the people whose password is the one given."""
    people = {person.role: _person(person, password) for person in PEOPLE}
    _workspace("Harbor Dental", "America/Los_Angeles", people, with_history=False)
    # Last, so that signing in leads to it.
    _workspace("Northside Realty", "America/New_York", people, with_history=True)
    return [person for person in PEOPLE if people[person.role].check_password(password)]


def _person(person: Person, password: str) -> User:
    return User.objects.filter(email=person.email).first() or add_user(person.email, password=password, name=person.name)


def _workspace(name: str, time_zone: str, people: dict[Role, User], *, with_history: bool) -> None:
    mark = f"demo:{name.lower().replace(' ', '-')}"
    if Workspace.objects.filter(external_id=mark).exists():
        return
    workspace = create_workspace(people[Role.OWNER], name=name, time_zone=time_zone)
    workspace.external_id = mark
    workspace.save(update_fields=["external_id"])
    for role in (Role.ADMIN, Role.MEMBER):
        Membership.objects.create(workspace=workspace, user=people[role], role=role)
    wallet = open_wallet(workspace, currency="usd")
    if with_history:
        card = _card(wallet, connected_by=people[Role.ADMIN])
        _fill(wallet, card, requested_by=people[Role.ADMIN])
        _switch_on(wallet, card, consented_by=people[Role.ADMIN])


def _card(wallet: Wallet, *, connected_by: User) -> Card:
    """A card that can be charged as soon as somebody tries the Lab live."""
    return Card.objects.create(
        wallet=wallet,
        payment_method_id=TEST_CARD,
        brand="visa",
        last_four="4242",
        expiry_month=8,
        expiry_year=timezone.now().year + 3,
        is_default=True,
        connected_by=connected_by,
    )


def _switch_on(wallet: Wallet, card: Card, *, consented_by: User) -> None:
    """Only now: uses of long ago must set nothing off."""
    AutomaticPayments.objects.create(
        wallet=wallet,
        is_active=True,
        **asdict(TERMS),
        consent_text=consent_sentence(TERMS, card_label=card.label, currency=wallet.currency),
        consented_at=timezone.now() - timedelta(days=AUTOMATIC_DAYS),
        consented_by=consented_by,
    )


def _fill(wallet: Wallet, card: Card, *, requested_by: User) -> None:
    """Two months of use, reported as a platform would; topped up by hand at first, and then automatically."""
    dice = Random(20)  # noqa: S311 -- made-up calls, the same on every installation; nothing here is a secret
    begin = timezone.now() - timedelta(days=DAYS)
    post(wallet.pk, [_gift(wallet, begin)])
    uses = made_up_uses(dice, subject=wallet.workspace.public_id, zone=wallet.workspace.zone, begin=begin, days=DAYS)
    for start in range(0, len(uses), USES_AT_ONCE):
        some = uses[start : start + USES_AT_ONCE]
        outcomes = take_over_events([made_here(use.event) for use in some], reporter=Reporter())
        assert all(outcome.taken is Taken.CHARGED for outcome in outcomes), "The default prices know every demo use."
        wallet.refresh_from_db()
        ended_at = some[-1].ended_at
        if ended_at < timezone.now() - timedelta(days=AUTOMATIC_DAYS):
            if wallet.balance_micros < TOP_UP_BELOW_MICROS:
                post(wallet.pk, [_top_up(wallet, card, ended_at, origin=Origin.MANUAL, requested_by=requested_by)])
        elif wallet.balance_micros < TERMS.threshold_micros:
            post(wallet.pk, [_top_up(wallet, card, ended_at, origin=Origin.AUTOMATIC)])
    Wallet.objects.filter(pk=wallet.pk).update(created_at=begin)


def _gift(wallet: Wallet, when: datetime) -> Entry:
    promotion = Promotion.objects.create(
        wallet=wallet, amount_micros=GIFT_MICROS, remaining_micros=0, reason="Welcome credit", idempotency_key="demo", created_at=when
    )
    return Entry(
        debit=Account.PROMOTIONS,
        credit=Account.WALLET,
        amount_micros=GIFT_MICROS,
        kind=Kind.PROMOTION,
        reference=str(promotion.pk),
        description="Welcome credit",
        happened_at=when,
        idempotency_key=f"promotion:{promotion.pk}",
        promotion_id=promotion.pk,
        posted_at=when,
    )


def _top_up(wallet: Wallet, card: Card, when: datetime, *, origin: Origin, requested_by: User | None = None) -> Entry:
    with connection.cursor() as cursor:
        # The ORM has no word for a sequence of its own.
        cursor.execute("SELECT nextval('wallet_receipt_number')")
        (number,) = cursor.fetchone()
    kind, label = (Kind.AUTOMATIC_PAYMENT, "Automatic payment") if origin is Origin.AUTOMATIC else (Kind.TOP_UP, "Top-up")
    top_up = TopUp.objects.create(
        wallet=wallet,
        origin=origin,
        card=card,
        amount_micros=TOP_UP_MICROS,
        status=TopUp.Status.SUCCEEDED,
        request_id=f"demo:{number}",
        payment_intent_id=f"pi_demo_{number}",
        requested_by=requested_by,
        receipt_number=f"W-{number:06d}",
        paid_with=card.label,
        created_at=when - timedelta(seconds=4),
        sent_at=when - timedelta(seconds=3),
        resolved_at=when,
    )
    _movement(top_up, when)
    return Entry(
        debit=Account.STRIPE,
        credit=Account.WALLET,
        amount_micros=TOP_UP_MICROS,
        kind=kind,
        reference=str(top_up.pk),
        description=f"{label} · {card.label}",
        happened_at=when,
        idempotency_key=f"top-up:{top_up.pk}",
        posted_at=when,
    )


def _movement(top_up: TopUp, when: datetime) -> None:
    """What Stripe took for it, as an earlier comparison would have kept it: the next one need not ask for a payment that was made up."""
    amount = top_up.amount_micros // currency_of(top_up.wallet.currency).minor_micros
    fee = FEE_MINOR + divide_half_up(amount * FEE_PER_MILLE, divisor=1000)
    StripeMovement.objects.create(
        id=f"txn_{top_up.payment_intent_id}",
        type="charge",
        source_id=f"ch_{top_up.payment_intent_id}",
        payment_id=str(top_up.payment_intent_id),
        wallet=top_up.wallet,
        amount_micros=top_up.amount_micros,
        currency=top_up.wallet.currency,
        fee_minor=fee,
        net_minor=amount - fee,
        settled_currency=top_up.wallet.currency,
        happened_at=when,
    )
