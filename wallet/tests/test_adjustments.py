"""Adjustments: posted once, above the limit by two people, below zero only where somebody said so."""

from dataclasses import dataclass
from functools import partial
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from wallet.errors import AlreadyResolved, AmountOutOfRange, BelowZero, IdempotencyConflict, SecondPersonNeeded, WalletError
from wallet.models import Account, Adjustment, Transfer, Wallet
from wallet.services import adjustments, second_person
from wallet.services.adjustments import approve_adjustment, request_adjustment
from wallet.services.holds import set_aside_for_refund
from wallet.services.second_person import alone_up_to_micros, reject, withdraw
from wallet.tests.books import assert_books_balance
from wallet.tests.builders import DOLLAR, balance_of, make_wallet, promotion_of
from wallet.tests.staff import staff, staff_acts
from workspaces.acting import Actor, acting_as
from workspaces.models import AuditEntry, User
from workspaces.tests.threads import at_once, errors

pytestmark = pytest.mark.django_db
Status = Adjustment.Status


@dataclass
class Office:
    """A wallet, and two of finance."""

    wallet: Wallet
    frances: User
    felix: User

    def ask(self, dollars: float, **more: Any) -> Adjustment:
        """Frances asks, unless somebody else is named."""
        given: dict[str, Any] = {
            "reason": "Charged twice by mistake",
            "words": "Adjustment",
            "may_go_below_zero": False,
            "request_id": uuid4().hex,
            "by": self.frances,
        }
        return request_adjustment(self.wallet, amount_micros=round(dollars * DOLLAR), **given | more)

    @property
    def balance(self) -> float:
        return balance_of(self.wallet) / DOLLAR

    def moves(self) -> list[tuple[str, str, float, str]]:
        rows = Transfer.objects.filter(wallet=self.wallet).order_by("seq")
        return [(row.debit, row.credit, row.amount_micros / DOLLAR, row.description) for row in rows]


@pytest.fixture
def office(db: None) -> Office:
    return Office(make_wallet(), staff("frances"), staff("felix"))


def acts() -> list[str]:
    """What the audit log says, oldest first."""
    return list(staff_acts().order_by("pk").values_list("action", flat=True))


# ---------------------------------------------------------------- one person
def test_it_posts_a_small_one_at_once(office: Office) -> None:
    adjustment = office.ask(20.000075, words="Credit for the outage")

    assert (adjustment.status, adjustment.needs_second_person, adjustment.decided_by) == (Status.DONE, False, None)
    assert office.moves() == [("adjustments", "wallet", 20.000075, "Credit for the outage")]
    transfer = Transfer.objects.get()
    assert (transfer.idempotency_key, transfer.reference) == (f"adjustment:{adjustment.pk}", str(adjustment.pk))
    assert_books_balance()


def test_it_takes_money_out(office: Office) -> None:
    office.ask(20)
    office.ask(-7.5)

    assert office.moves()[-1] == ("wallet", "adjustments", 7.5, "Adjustment")
    assert office.balance == 12.5


def test_it_leaves_one_row_of_the_audit_log_with_before_and_after(office: Office) -> None:
    with acting_as(Actor(AuditEntry.ActorKind.PERSON, office.frances.email, office.frances, "192.0.2.7")):
        adjustment = office.ask(20)

    entry = staff_acts().get()
    assert (entry.action, entry.reason, entry.is_staff_act) == ("adjustment.posted", "Charged twice by mistake", True)
    assert (entry.actor, entry.address, entry.workspace_id) == (office.frances, "192.0.2.7", office.wallet.pk)
    assert entry.before == {"balance_micros": 0, "held_micros": 0, "promotion_micros": 0}
    assert entry.after == {
        "id": str(adjustment.pk),
        "amount_micros": 20 * DOLLAR,
        "balance_micros": 20 * DOLLAR,
        "held_micros": 0,
        "promotion_micros": 0,
    }


def test_it_posts_one_form_once(office: Office) -> None:
    first, again = (office.ask(20, request_id="form") for _ in range(2))

    assert first == again
    assert (office.balance, acts()) == (20, ["adjustment.posted"])
    with pytest.raises(IdempotencyConflict):
        office.ask(21, request_id="form")


@pytest.mark.parametrize("dollars", [0, 1_000_000.000001, -1_000_000.000001])
def test_it_moves_something_and_not_the_world(office: Office, dollars: float) -> None:
    with pytest.raises(AmountOutOfRange):
        office.ask(dollars)

    assert Adjustment.objects.count() == 0


# ---------------------------------------------------------------- below zero
def test_it_goes_below_zero_only_where_that_was_ticked(office: Office) -> None:
    office.ask(20)
    with pytest.raises(BelowZero):
        office.ask(-20.000001)
    assert (office.balance, Adjustment.objects.count()) == (20, 1)

    office.ask(-20.5, may_go_below_zero=True)

    assert office.balance == -0.5


def test_it_counts_what_is_set_aside_as_spoken_for(office: Office) -> None:
    office.ask(20)
    with transaction.atomic():
        set_aside_for_refund(Wallet.objects.select_for_update().get(pk=office.wallet.pk), amount_micros=15 * DOLLAR, key="refund:x")

    with pytest.raises(BelowZero):
        office.ask(-6)


def test_it_looks_again_when_it_is_approved(office: Office) -> None:
    office.ask(90)
    taking = office.ask(-90)
    assert taking.status == Status.WAITING
    office.ask(-40, by=office.felix)

    with pytest.raises(BelowZero):
        approve_adjustment(taking.pk, by=office.felix)

    taking.refresh_from_db()
    assert (taking.status, office.balance) == (Status.WAITING, 50)


# ---------------------------------------------------------------- two people
def test_it_waits_for_a_second_person_above_the_limit(office: Office) -> None:
    at_the_limit, above = office.ask(100, by=office.felix), office.ask(100.000001)

    assert (at_the_limit.status, above.status) == (Status.DONE, Status.WAITING)
    assert office.balance == 100
    approve_adjustment(above.pk, by=office.felix, reason="Seen the ticket")

    above.refresh_from_db()
    assert (above.status, above.decided_by, above.decision_reason) == (Status.DONE, office.felix, "Seen the ticket")
    assert office.balance == 200.000001
    assert acts() == ["adjustment.posted", "adjustment.requested", "adjustment.approved"]


@pytest.mark.parametrize(("currency", "dollars"), [("usd", 100), ("jpy", 10_000), ("mxn", 2_000), ("kwd", 100)])
def test_it_scales_the_limit_to_the_currency(currency: str, dollars: int) -> None:
    assert alone_up_to_micros(currency) == dollars * DOLLAR


def test_it_asks_for_a_second_person_always_where_the_limit_is_nothing(office: Office, settings: Any) -> None:
    settings.SECOND_PERSON_ABOVE = 0

    assert office.ask(0.01).status == Status.WAITING


def test_it_does_not_help_to_split(office: Office) -> None:
    """In and out alike, and what waits counts as well."""
    assert [office.ask(dollars).status for dollars in (60, -40, 0.01)] == [Status.DONE, Status.DONE, Status.WAITING]


def test_it_counts_one_persons_acts_in_one_wallet_on_one_day(office: Office) -> None:
    office.ask(100)
    elsewhere = Office(make_wallet(name="Other"), office.frances, office.felix)

    assert office.ask(100, by=office.felix).status == Status.DONE
    assert elsewhere.ask(100).status == Status.DONE
    Adjustment.objects.update(requested_at=timezone.now() - second_person.COUNTED_FOR)
    assert office.ask(100).status == Status.DONE


@pytest.mark.parametrize("undo", [reject, withdraw])
def test_it_does_not_count_what_came_to_nothing(office: Office, undo: Any) -> None:
    asked = office.ask(150)
    undo(Adjustment, asked.pk, by=office.felix if undo is reject else office.frances, reason="No")

    assert office.ask(100).status == Status.DONE


def test_it_lets_nobody_approve_or_reject_their_own(office: Office) -> None:
    asked = office.ask(150)

    with pytest.raises(SecondPersonNeeded):
        approve_adjustment(asked.pk, by=office.frances)
    with pytest.raises(SecondPersonNeeded):
        reject(Adjustment, asked.pk, by=office.frances, reason="No")
    with pytest.raises(SecondPersonNeeded):
        withdraw(Adjustment, asked.pk, by=office.felix)

    assert (office.balance, acts()) == (0, ["adjustment.requested"])


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
def test_it_approves_nothing_of_who_is_of_finance_no_more(office: Office, change: dict[str, bool]) -> None:
    """Two must have agreed: who was dismissed since is none of them."""
    asked = office.ask(150)
    User.objects.filter(pk=office.frances.pk).update(**change)

    with pytest.raises(SecondPersonNeeded, match="of finance no more"):
        approve_adjustment(asked.pk, by=office.felix)

    assert reject(Adjustment, asked.pk, by=office.felix, reason="They left.").status == Status.REJECTED
    assert office.balance == 0


def test_it_is_held_to_that_by_the_database(office: Office) -> None:
    asked, now = office.ask(150), timezone.now()
    rows = Adjustment.objects.filter(pk=asked.pk)

    for changes in (
        {"status": "done", "decided_by": office.frances, "decided_at": now},
        {"status": "done"},
        {"status": "rejected", "decided_by": office.frances, "decided_at": now},
        {"status": "withdrawn", "decided_by": office.felix, "decided_at": now},
        {"needs_second_person": False},
        {"status": "done", "decided_by": office.felix},
        {"amount_micros": 0},
        {"reason": ""},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**changes)


def test_it_rejects_with_a_reason(office: Office) -> None:
    asked = office.ask(150)

    for _ in range(2):
        reject(Adjustment, asked.pk, by=office.felix, reason="Wrong customer")

    asked.refresh_from_db()
    assert (asked.status, asked.decision_reason, office.balance) == (Status.REJECTED, "Wrong customer", 0)
    assert acts() == ["adjustment.requested", "adjustment.rejected"]
    with pytest.raises(AlreadyResolved):
        approve_adjustment(asked.pk, by=office.felix)


def test_it_is_withdrawn_by_who_asked(office: Office) -> None:
    asked = office.ask(150)

    withdraw(Adjustment, asked.pk, by=office.frances)

    asked.refresh_from_db()
    assert (asked.status, acts()[-1]) == (Status.WITHDRAWN, "adjustment.withdrawn")
    with pytest.raises(AlreadyResolved):
        reject(Adjustment, asked.pk, by=office.felix, reason="No")


def test_it_does_not_touch_given_credit(office: Office) -> None:
    """What the operator takes out is paid money, as with refunds."""
    promotion_of(office.wallet, 5 * DOLLAR)
    office.ask(10)
    office.ask(-4)

    office.wallet.refresh_from_db()
    assert (office.wallet.promotion_micros, office.wallet.paid_micros) == (5 * DOLLAR, 6 * DOLLAR)


# ---------------------------------------------------------------- at once
@pytest.mark.django_db(transaction=True)
def test_it_posts_once_however_many_approve_at_once(office: Office) -> None:
    asked = office.ask(150)
    others = [office.felix, *(staff(f"finance{number}") for number in range(9))]

    outcomes = at_once([partial(approve_adjustment, asked.pk, by=person) for person in others])

    assert office.balance == 150
    assert [type(error) for error in errors(outcomes)] == [AlreadyResolved] * 9
    assert (acts().count("adjustment.approved"), Transfer.objects.count()) == (1, 1)
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_it_does_not_let_two_slip_under_the_limit_together(office: Office) -> None:
    at_once([lambda: office.ask(60)] * 4)

    statuses = list(Adjustment.objects.values_list("status", flat=True))
    assert sorted(statuses) == [Status.DONE, *[Status.WAITING] * 3]
    assert office.balance == 60


@pytest.mark.django_db(transaction=True)
def test_it_would_let_them_slip_without_the_lock(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    read, barrier = second_person.moved_lately_micros, Barrier(2, timeout=10)

    def meet(*args: Any, **kwargs: Any) -> int:
        micros = read(*args, **kwargs)
        barrier.wait()
        return micros

    monkeypatch.setattr(second_person, "moved_lately_micros", meet)
    monkeypatch.setattr(adjustments, "lock_wallet", lambda wallet_id: Wallet.objects.get(pk=wallet_id))

    at_once([lambda: office.ask(60)] * 2)

    assert list(Adjustment.objects.values_list("status", flat=True)) == [Status.DONE] * 2


@pytest.mark.django_db(transaction=True)
def test_it_makes_one_of_a_form_that_is_sent_many_times_at_once(office: Office) -> None:
    outcomes = at_once([lambda: office.ask(20, request_id="form")] * 10)

    assert [error for error in errors(outcomes) if not isinstance(error, WalletError)] == []
    assert (office.balance, Adjustment.objects.count(), acts()) == (20, 1, ["adjustment.posted"])
    assert Account.ADJUSTMENTS in {row.debit for row in Transfer.objects.all()}
