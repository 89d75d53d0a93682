"""What a customer that was deleted at Stripe leaves of automatic payments, and in which order letting go of it locks."""

import threading
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.faults.automatic import told
from tests.faults.processes import wait_until
from tests.payments import MoneyIn
from wallet.ledger import lock_wallet
from wallet.models import AutomaticPayments, Card, FormerCustomer, Notice, TopUp
from wallet.services.automatic_suspension import suspend
from wallet.services.checkout import open_checkout
from wallet.services.customers import let_customer_go, stripe_customer
from wallet.services.wallets import close_wallet
from workspaces.tests.threads import at_once

Suspension = AutomaticPayments.Suspension


def suspended(money_in: MoneyIn, reason: Suspension) -> None:
    with transaction.atomic():
        suspend(lock_wallet(money_in.wallet.pk), money_in.rule, reason)


@pytest.mark.parametrize("before", [Suspension.DECLINED, Suspension.CARD_REFUSED, Suspension.NOT_CONFIRMED])
def test_it_goes_on_with_no_rule_that_has_no_card_left(active: MoneyIn, sandbox: RunningSandbox, before: Suspension) -> None:
    """It was suspended already: whoever pays would have lifted that, and its owner would have heard of no lost card."""
    suspended(active, before)
    active.delete_customer()
    active.deliver()
    assert (active.rule.suspension, told(Notice.Kind.AUTOMATIC_FAILED)) == (Suspension.NO_CARD, 2)

    sandbox.pay_checkout(open_checkout(active.ask_for_link()))
    active.deliver()
    assert (active.balance, active.rule.suspension) == (50, Suspension.NO_CARD)

    sandbox.pay_checkout(open_checkout(active.ask_for_link(), saves_card=True))
    active.deliver()
    assert (active.balance, active.rule.may_charge) == (70, True)


def test_it_leaves_what_a_lost_dispute_began_to_the_owner(active: MoneyIn, sandbox: RunningSandbox) -> None:
    """With no card as the reason, a payer who lets one be kept would have lifted it."""
    suspended(active, Suspension.DISPUTED)
    active.delete_customer()
    active.deliver()

    sandbox.pay_checkout(open_checkout(active.ask_for_link(), saves_card=True))
    active.deliver()

    assert (Card.objects.filter(removed_at=None).count(), active.rule.suspension) == (1, Suspension.DISPUTED)


def test_it_asks_for_no_card_for_a_closed_wallet(active: MoneyIn) -> None:
    """Who wants to be forgotten at Stripe has the wallet closed, and no card can be connected to it."""
    close_wallet(active.wallet)
    active.delete_customer()
    active.deliver()

    assert (Card.objects.filter(removed_at=None).count(), told(Notice.Kind.AUTOMATIC_FAILED)) == (0, 0)


def somebody_waits_for_us() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))")
        return cursor.fetchone() is not None


def test_it_locks_the_attempts_in_the_order_of_their_ids(money_in: MoneyIn) -> None:
    """Whoever waits for one has none in hand that another, who keeps the order, still wants."""
    customer_id, ids = stripe_customer(money_in.wallet), sorted(uuid4() for _ in range(3))
    for number in reversed(ids):
        link = money_in.ask_for_link()
        fields = {"wallet": money_in.wallet, "origin": "payment_link", "payment_link": link, "amount_micros": link.amount_micros}
        TopUp.objects.create(pk=number, request_id=str(number), next_check_at=timezone.now(), **fields)
    telling = threading.Thread(target=at_once, args=[[lambda: let_customer_go(money_in.wallet.pk, customer_id=customer_id)]])

    with transaction.atomic():
        TopUp.objects.select_for_update().get(pk=ids[0])
        telling.start()
        wait_until(somebody_waits_for_us)
        assert len(TopUp.objects.select_for_update(skip_locked=True).filter(pk__in=ids)) == len(ids)
    telling.join(10)

    assert FormerCustomer.objects.get().pk == customer_id
