"""Stripe, the ledger and the cached balances agree; each kind of difference is found, named, and says what to do."""

import io
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest
import stripe
from django.core.management import CommandError, call_command
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.payments import DOLLAR, Alerts, MoneyIn
from wallet import stripe_gateway
from wallet.errors import GatewayRejected
from wallet.models import Discrepancy, Dispute, ReconciliationRun, Refund, StripeMovement, TopUp
from wallet.services import reconciliation, stripe_balance
from wallet.services.customers import stripe_customer
from wallet.services.nightly import DiscrepancyChanged, explain_discrepancy, is_cut_off, reconcile
from wallet.services.reconciliation import Found
from wallet.services.top_ups import charge_top_up
from wallet.stripe_answers import read_movement
from workspaces.models import AuditEntry, User

Kind = Discrepancy.Kind
DOUBLED_CREDIT = """
INSERT INTO wallet_transfer (wallet_id, seq, debit, credit, amount_micros, promotion_micros, balance_after_micros, kind, reference,
    description, happened_at, posted_at, idempotency_key)
SELECT wallet_id, 2, debit, credit, amount_micros, promotion_micros, 2 * balance_after_micros, kind, reference,
    description, happened_at, posted_at, 'again'
FROM wallet_transfer
"""


@pytest.fixture
def paid(money_in: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> MoneyIn:
    """One top-up of 20 dollars, credited; and no waiting until money counts as settled."""
    monkeypatch.setattr(stripe_balance, "SETTLES_WITHIN", timedelta(seconds=-60))
    charge_top_up(money_in.ask_for_top_up(money_in.connect_card()).pk)
    return money_in


def listed() -> list[tuple[str, str]]:
    return [(one.kind, one.reference) for one in Discrepancy.objects.filter(closed_at=None).order_by("pk")]


def explain(found: Discrepancy, *, by: User, explanation: str) -> None:
    explain_discrepancy(found, seen=found.words, by=by, explanation=explanation)


def tamper(owner: Any, statement: str) -> None:
    with owner.cursor() as cursor:
        cursor.execute("ALTER TABLE wallet_transfer DISABLE TRIGGER USER")
        cursor.execute(statement)


def mend(owner: Any, statement: str) -> None:
    """The stage's own check of the books comes last."""
    tamper(owner, statement)


def test_it_finds_nothing_where_all_agrees(paid: MoneyIn) -> None:
    run = reconcile()

    assert (run.discrepancies, run.movements, run.transfers, run.payments) == (0, 1, 1, 1)
    assert run.finished_at is not None


def test_it_books_what_stripe_takes(paid: MoneyIn) -> None:
    reconcile()
    reconcile()

    movement = StripeMovement.objects.get()
    assert (movement.amount_micros, movement.currency, movement.wallet_id) == (20 * DOLLAR, "usd", paid.wallet.pk)
    assert (movement.fee_minor, movement.net_minor) == (88, 1_912)


def test_it_brings_in_what_no_webhook_told(paid: MoneyIn, sandbox: RunningSandbox) -> None:
    """A missing credit is no difference for long: the payment is taken over, and nothing is left to look at."""
    TopUp.objects.filter(status="succeeded").update(status="unknown", resolved_at=None, receipt_number=None)

    run = reconcile()

    assert run.discrepancies == 0
    assert TopUp.objects.get().status == "succeeded"
    assert paid.moves() == [("top_up", 20)]


def test_it_names_a_payment_that_no_top_up_asked_for(paid: MoneyIn, sandbox: RunningSandbox, alerts: Alerts) -> None:
    payment = stripe_gateway._client().v1.payment_intents.create(
        {
            "amount": 700,
            "currency": "usd",
            "customer": stripe_customer(paid.wallet),
            "payment_method": paid.default_card.payment_method_id,
            "off_session": True,
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )

    run = reconcile()

    assert (run.discrepancies, listed()) == (1, [(Kind.UNKNOWN_PAYMENT, payment.id)])
    found = Discrepancy.objects.get()
    assert found.words == "Stripe has a payment of $7.00 that no top-up asked for."
    assert (found.wallet, found.amount_micros) == (paid.wallet, 7 * DOLLAR)
    assert "books_do_not_match" in alerts()


def test_it_names_a_credit_without_a_payment(paid: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_balance, "PAYS_OVER_WITHIN", timedelta())
    monkeypatch.setattr(stripe_gateway, "movements_since", lambda since: iter(()))

    run = reconcile()

    assert (run.discrepancies, listed()) == (1, [(Kind.NO_PAYMENT, str(TopUp.objects.get().pk))])


@pytest.mark.parametrize(
    ("kind", "tampering", "mending"),
    [
        (Kind.AMOUNT, "UPDATE wallet_transfer SET amount_micros = 21000000", "UPDATE wallet_transfer SET amount_micros = 20000000"),
        (
            Kind.NOT_CREDITED,
            "UPDATE wallet_transfer SET idempotency_key = 'x'",
            "UPDATE wallet_transfer SET idempotency_key = 'top-up:' || reference",
        ),
        (Kind.BOOKS, DOUBLED_CREDIT, "DELETE FROM wallet_transfer WHERE seq = 2"),
        (Kind.BOOKS, "UPDATE wallet_transfer SET balance_after_micros = 1", "UPDATE wallet_transfer SET balance_after_micros = 20000000"),
    ],
)
def test_it_names_what_was_changed_in_the_ledger(
    paid: MoneyIn, owner_connection: Any, kind: Discrepancy.Kind, tampering: str, mending: str
) -> None:
    tamper(owner_connection, tampering)

    run = reconcile()

    assert kind in {found for found, _ in listed()}
    assert run.discrepancies >= 1
    mend(owner_connection, mending)
    assert reconcile().discrepancies == 0, "what is mended is not listed any more"


def test_it_names_a_row_that_is_gone(paid: MoneyIn, owner_connection: Any) -> None:
    with owner_connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS TABLE wallet_transfer")
    tamper(owner_connection, "DELETE FROM wallet_transfer")

    reconcile()

    assert {kind for kind, _ in listed()} == {Kind.NOT_CREDITED, Kind.BOOKS}
    mend(owner_connection, "INSERT INTO wallet_transfer SELECT * FROM kept; DROP TABLE kept")


def test_it_names_a_refund_that_the_ledger_does_not_have(paid: MoneyIn, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    refund = sandbox.refund(str(TopUp.objects.get().payment_intent_id), amount=500)
    with monkeypatch.context() as patched:
        patched.setattr("wallet.services.nightly.reconcile_since", lambda look_back, tell: Found())
        reconcile()
    assert listed() == [(Kind.NOT_TAKEN, refund["id"])]

    assert reconcile().discrepancies == 0
    assert paid.balance == 15


def forget_what_went_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if Stripe's balance had never had a refund or a dispute."""
    movements = list(stripe_gateway.movements_since(timezone.now() - timedelta(days=1)))
    StripeMovement.objects.all().delete()
    monkeypatch.setattr(
        stripe_gateway, "movements_since", lambda since: (movement for movement in movements if movement.source_kind == "charge")
    )


def test_it_names_what_went_back_in_the_ledger_alone(paid: MoneyIn, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_balance, "PAYS_OVER_WITHIN", timedelta())
    payment_id = str(TopUp.objects.get().payment_intent_id)
    refund = sandbox.refund(payment_id, amount=500)
    dispute = sandbox.open_dispute(payment_id)
    assert reconcile().discrepancies == 0
    forget_what_went_back(monkeypatch)

    reconcile()

    assert set(listed()) == {(Kind.NOT_GONE_BACK, refund["id"]), (Kind.NOT_GONE_BACK, dispute["id"])}
    assert {one.amount_micros for one in Discrepancy.objects.filter(closed_at=None)} == {5 * DOLLAR, dispute["amount"] * DOLLAR // 100}


def test_it_misses_nothing_that_went_back_after_it_had_asked(
    paid: MoneyIn, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are older: the refund was pending, and the dispute an inquiry, until just now."""
    monkeypatch.setattr(stripe_balance, "PAYS_OVER_WITHIN", timedelta())
    payment_id = str(TopUp.objects.get().payment_intent_id)
    sandbox.refund(payment_id, amount=500)
    sandbox.open_dispute(payment_id)
    reconcile()
    for rows in (Refund.objects.all(), Dispute.objects.all()):
        assert rows.update(created_at=timezone.now() - timedelta(hours=2)) == 1
    forget_what_went_back(monkeypatch)
    monkeypatch.setattr(stripe_balance, "SETTLES_WITHIN", timedelta(hours=1))

    assert reconcile().discrepancies == 0


def test_it_keeps_what_was_explained_explained(paid: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_balance, "PAYS_OVER_WITHIN", timedelta())
    monkeypatch.setattr(stripe_gateway, "movements_since", lambda since: iter(()))
    reconcile()

    explain(Discrepancy.objects.get(), by=paid.alice, explanation="Stripe's list lags today.")

    assert reconcile().discrepancies == 0
    assert AuditEntry.objects.filter(action="discrepancy.explained").count() == 1
    with pytest.raises(ValueError, match="Say in 1 to 500"):
        explain(Discrepancy.objects.get(), by=paid.alice, explanation=" ")


def test_it_asks_again_where_what_was_explained_became_another(paid: MoneyIn, owner_connection: Any) -> None:
    tamper(owner_connection, "UPDATE wallet_transfer SET amount_micros = 21000000")
    reconcile()
    for found in Discrepancy.objects.filter(closed_at=None):
        explain(found, by=paid.alice, explanation="A cent too much.")
    assert reconcile().discrepancies == 0

    tamper(owner_connection, "UPDATE wallet_transfer SET amount_micros = 90000000")

    reconcile()
    assert Kind.AMOUNT in {kind for kind, _ in listed()}
    assert Discrepancy.objects.get(kind=Kind.AMOUNT).explanation == ""
    mend(owner_connection, "UPDATE wallet_transfer SET amount_micros = 20000000")


def test_it_explains_nothing_that_has_become_another(paid: MoneyIn, owner_connection: Any) -> None:
    """A run in between found something else, and nobody has read that yet."""
    tamper(owner_connection, "UPDATE wallet_transfer SET amount_micros = 21000000")
    reconcile()
    seen = Discrepancy.objects.get(kind=Kind.AMOUNT)
    tamper(owner_connection, "UPDATE wallet_transfer SET amount_micros = 90000000")
    reconcile()

    with pytest.raises(DiscrepancyChanged, match="Read it again"):
        explain(seen, by=paid.alice, explanation="A cent too much.")

    assert Discrepancy.objects.get(kind=Kind.AMOUNT).closed_at is None
    mend(owner_connection, "UPDATE wallet_transfer SET amount_micros = 20000000")


@pytest.mark.parametrize("look_up", ["retrieve_refund", "retrieve_dispute"])
def test_it_goes_on_where_stripe_knows_one_of_ours_no_more(
    paid: MoneyIn, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, alerts: Alerts, look_up: str
) -> None:
    payment_id = str(TopUp.objects.get().payment_intent_id)
    sandbox.refund(payment_id, amount=500)
    sandbox.open_dispute(payment_id)
    reconcile()
    Refund.objects.update(status="pending")

    def nothing(stripe_id: str) -> None:
        raise GatewayRejected(f"No such object: '{stripe_id}'")

    monkeypatch.setattr(stripe_gateway, look_up, nothing)

    found = reconciliation.reconcile_since(timedelta(seconds=-60))

    assert (found.refused, alerts().count("not_reconciled")) == (1, 1)
    Refund.objects.update(status="succeeded")


def test_it_lists_each_of_several_faults_of_one_book(paid: MoneyIn) -> None:
    """Both are found by one check and name no row: what is said of the one must not hide the other."""
    given = {"wallet": paid.wallet, "origin": "manual", "amount_micros": DOLLAR, "status": "succeeded", "resolved_at": timezone.now()}
    uncredited = [TopUp.objects.create(**given, request_id=name, payment_intent_id=name, receipt_number=name) for name in ("a", "b")]
    reconcile()
    books = Discrepancy.objects.filter(kind=Kind.BOOKS, closed_at=None)
    assert {str(top_up.pk) for top_up in uncredited} == {found.reference.rpartition(":")[2] for found in books}

    explain(books.order_by("pk")[0], by=paid.alice, explanation="Known.")
    reconcile()

    assert books.all().count() == 1
    TopUp.objects.filter(pk__in=[top_up.pk for top_up in uncredited]).delete()


def test_it_does_not_close_what_another_run_has_found_meanwhile(paid: MoneyIn) -> None:
    run = ReconciliationRun.objects.create(since=timezone.now() - timedelta(days=35))
    Discrepancy.objects.create(kind=Kind.UNKNOWN_PAYMENT, reference="pi_new", words="New.", happened_at=timezone.now())

    assert reconcile(run=run).discrepancies == 1
    assert reconcile().discrepancies == 0


def test_it_names_payments_in_a_currency_that_no_wallet_has(paid: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another business in the same account at Stripe must not keep the books from being compared."""
    charge = {"object": "charge", "id": "py_1", "payment_intent": "pi_baht", "customer": None, "amount": 70_000, "currency": "thb"}
    row = {"id": "txn_1", "type": "charge", "amount": 2_000, "fee": 90, "net": 1_910, "currency": "usd", "created": 1_767_225_600}
    others = stripe_gateway.movements_since
    monkeypatch.setattr(stripe_gateway, "movements_since", lambda since: chain(others(since), [read_movement({**row, "source": charge})]))

    reconcile()

    assert listed() == [(Kind.UNKNOWN_PAYMENT, "pi_baht")]
    assert Discrepancy.objects.get().words == "Stripe has a payment of an amount in THB that no top-up asked for."


def test_it_names_a_refund_of_another_amount(paid: MoneyIn, sandbox: RunningSandbox) -> None:
    refund = sandbox.refund(str(TopUp.objects.get().payment_intent_id), amount=500)
    reconcile()
    Refund.objects.update(amount_micros=4 * DOLLAR)

    reconcile()

    found = Discrepancy.objects.get(kind=Kind.AMOUNT, reference=refund["id"])
    assert found.words == f"Stripe refunded $5.00 by {refund['id']}, and the ledger has $4.0000 for it."
    Refund.objects.update(amount_micros=5 * DOLLAR)


def test_it_does_not_close_what_it_did_not_look_at(paid: MoneyIn) -> None:
    Discrepancy.objects.create(kind=Kind.UNKNOWN_PAYMENT, reference="pi_old", words="Old.", happened_at=timezone.now() - timedelta(days=90))

    assert reconcile().discrepancies == 1


def told(*arguments: str) -> str:
    out = io.StringIO()
    call_command("reconcile", *arguments, stdout=out)
    return out.getvalue()


def test_it_exits_zero_with_one_line(paid: MoneyIn) -> None:
    assert told().startswith("books match Stripe: 1 movements since")


def test_it_says_how_far_it_is(paid: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "TOLD_EVERY", 1)
    err = io.StringIO()

    call_command("reconcile", "--progress", stdout=io.StringIO(), stderr=err)

    for words in (
        "asking Stripe for payments: 1 so far",
        "comparing Stripe's balance with the ledger: 1 so far",
        "checking the books: 100 %",
    ):
        assert words in err.getvalue()


def test_it_exits_one_with_what_to_do(paid: MoneyIn, owner_connection: Any) -> None:
    tamper(owner_connection, "UPDATE wallet_transfer SET amount_micros = 21000000")
    out = io.StringIO()

    with pytest.raises(CommandError) as failure:
        call_command("reconcile", stdout=out)

    assert failure.value.returncode == 1
    assert "Stripe has $20.00, and W-" in out.getvalue()
    assert "correct the wallet by an adjustment" in out.getvalue()
    mend(owner_connection, "UPDATE wallet_transfer SET amount_micros = 20000000")


def test_it_exits_two_where_stripe_is_away(paid: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise stripe.APIConnectionError("away")  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    monkeypatch.setattr(stripe.RequestsClient, "request", away)

    with pytest.raises(CommandError) as failure:
        told()

    assert failure.value.returncode == 2
    assert ReconciliationRun.objects.get().finished_at is None
    assert is_cut_off(ReconciliationRun.objects.get()), "so nobody has to wait for it before another is run"


@pytest.mark.parametrize("days", ["0", "-1", "401"])
def test_it_says_how_far_back_it_can_look(money_in: MoneyIn, days: str) -> None:
    with pytest.raises(CommandError) as failure:
        told("--days", days)

    assert failure.value.returncode == 2
