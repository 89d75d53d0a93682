"""Faults of a top-up on a saved card: rows B2 to B7, B10, B11, B13, B22, B23, B24 and B26 of the fault matrix."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.payments import DOLLAR, Alerts, MoneyIn, make_wallet
from wallet.errors import AmountOutOfRange, CardInUse, CardUnusable, IdempotencyConflict, OutcomeUnknown, WalletClosed
from wallet.models import Card, TopUp, Wallet
from wallet.money import InexactAmount
from wallet.services.cards import remove_card
from wallet.services.customers import stripe_customer
from wallet.services.settlement import settle_payment
from wallet.services.top_ups import ask_after_top_up, charge_top_up, request_top_up
from wallet.stripe_objects import Payment

Status = TopUp.Status
CHARGE = "payment_intents.create"


@pytest.fixture
def card(money_in: MoneyIn) -> Card:
    return money_in.connect_card()


def test_it_charges_and_credits_on_the_click(money_in: MoneyIn, card: Card) -> None:
    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)

    assert (top_up.status, top_up.paid_with, money_in.balance) == (Status.SUCCEEDED, "Visa •••• 4242", 20)
    assert top_up.payment_intent_id
    money_in.deliver()
    assert money_in.moves() == [("top_up", 20)]


def test_it_charges_one_form_once(money_in: MoneyIn, card: Card) -> None:
    """A1: double click, two tabs with one form, Back."""
    rows = [money_in.ask_for_top_up(card, request_id="form-1") for _ in range(3)]
    for row in rows:
        charge_top_up(row.pk)

    assert len({row.pk for row in rows}) == money_in.charges() == 1
    with pytest.raises(IdempotencyConflict):
        money_in.ask_for_top_up(card, request_id="form-1", dollars=50)
    with pytest.raises(IdempotencyConflict):
        money_in.ask_for_top_up(money_in.connect_card("pm_card_mastercard"), request_id="form-1")


def test_it_keeps_the_same_form_of_two_wallets_apart(money_in: MoneyIn, card: Card) -> None:
    """S21."""
    other, bob = make_wallet(name="Other", owner="bob@example.com")
    other_card = Card.objects.create(
        wallet=other, payment_method_id="pm_2", brand="visa", last_four="1111", expiry_month=1, expiry_year=2040
    )

    ours = money_in.ask_for_top_up(card, request_id="form-1")
    theirs = request_top_up(other, amount_micros=50 * DOLLAR, card=other_card, request_id="form-1", requested_by=bob)

    assert ours != theirs


@pytest.mark.parametrize("micros", [0, -DOLLAR, 1, 4_999_999, 2_000 * DOLLAR + 10_000, 10**15, 5 * DOLLAR + 1])
def test_it_refuses_amounts_out_of_range_or_without_a_coin(money_in: MoneyIn, card: Card, micros: int) -> None:
    """S23: also where no form stands before it."""
    with pytest.raises((AmountOutOfRange, InexactAmount)):
        request_top_up(money_in.wallet, amount_micros=micros, card=card, request_id="form-1", requested_by=None)

    assert not TopUp.objects.exists()


def test_it_charges_no_card_of_another_wallet(money_in: MoneyIn, card: Card) -> None:
    """S22: ids are looked up inside the caller's workspace."""
    other, _ = make_wallet(name="Other", owner="bob@example.com")

    with pytest.raises(CardUnusable):
        request_top_up(other, amount_micros=20 * DOLLAR, card=card, request_id="form-1", requested_by=None)


def test_it_takes_no_money_for_a_closed_wallet(money_in: MoneyIn, card: Card) -> None:
    Wallet.objects.update(closed_at=timezone.now())

    with pytest.raises(WalletClosed):
        money_in.ask_for_top_up(card)


def test_it_sends_what_a_killed_request_left_behind(money_in: MoneyIn, card: Card) -> None:
    """B2, B13: killed after the row, before Stripe; or its task was lost."""
    money_in.ask_for_top_up(card)
    money_in.lose_messages()
    assert money_in.sweep() == []

    money_in.pass_time(seconds=61)
    money_in.sweep()

    assert (money_in.charges(), money_in.moves()) == (1, [("top_up", 20)])


def test_it_drops_a_wish_that_nobody_could_send_for_an_hour(money_in: MoneyIn, card: Card) -> None:
    """A2, B24: with everything down for a night, nobody is charged in the morning for a click of yesterday."""
    top_up = money_in.ask_for_top_up(card)

    money_in.pass_time(minutes=61)
    money_in.sweep()

    assert (money_in.read(top_up).status, money_in.charges()) == (Status.EXPIRED, 0)
    assert charge_top_up(top_up.pk).status == Status.EXPIRED


@pytest.mark.parametrize("fault", ["drop_before", "reset_after", "hang_after"])
def test_it_never_takes_a_lost_answer_for_a_failure(
    money_in: MoneyIn, card: Card, sandbox: RunningSandbox, impatient: None, fault: str
) -> None:
    """B3, B4: unknown, never failed, never a new key; the sweep finds the payment, or the same key charges once."""
    sandbox.fault(fault, match=CHARGE, seconds=3)
    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)
    assert (top_up.status, top_up.failure_message, money_in.balance) == (Status.UNKNOWN, "", 0)

    money_in.pass_time(seconds=21)
    money_in.sweep()

    assert money_in.read(top_up).status == Status.SUCCEEDED
    assert (money_in.charges(), money_in.moves()) == (1, [("top_up", 20)])
    assert {request["idempotency_key"] for request in money_in.requests(CHARGE)} == {f"top-up-{top_up.pk}"}


def test_it_is_told_by_the_webhook_what_became_of_a_lost_answer(money_in: MoneyIn, card: Card, sandbox: RunningSandbox) -> None:
    """B3, B23: the row was committed first, so whoever speaks first finds it."""
    sandbox.fault("reset_after", match=CHARGE)
    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)

    money_in.deliver()

    assert (money_in.read(top_up).status, money_in.balance) == (Status.SUCCEEDED, 20)
    money_in.pass_time(seconds=61)
    assert money_in.sweep() == []


def test_it_is_told_by_the_webhook_before_the_answer(money_in: MoneyIn, card: Card, sandbox: RunningSandbox) -> None:
    """B23: between Stripe's yes and our reading it, the webhook has credited already."""
    top_up = money_in.ask_for_top_up(card)
    with pytest.MonkeyPatch.context() as patched:

        def settle_late(payment: Payment) -> TopUp:
            money_in.deliver()
            return settle_payment(payment)

        patched.setattr("wallet.services.top_ups.settle_payment", settle_late)
        charge_top_up(top_up.pk)

    assert money_in.moves() == [("top_up", 20)]
    assert money_in.read(top_up).status == Status.SUCCEEDED


def test_it_asks_again_after_a_500(money_in: MoneyIn, card: Card, sandbox: RunningSandbox) -> None:
    """B5: Stripe charged and answered 500, which it replays for the same key. The list shows the payment."""
    sandbox.fault("error_after", match=CHARGE)
    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)
    assert top_up.status == Status.UNKNOWN

    money_in.pass_time(seconds=21)
    money_in.sweep()

    assert (money_in.read(top_up).status, money_in.moves()) == (Status.SUCCEEDED, [("top_up", 20)])
    assert len(money_in.requests(CHARGE)) == 1


def test_it_fails_only_what_stripe_replays_as_500_and_does_not_list(money_in: MoneyIn, card: Card, sandbox: RunningSandbox) -> None:
    """B5: failed only when the 500 is a replay and the list shows nothing after a minute."""
    sandbox.fault("error_before", match=CHARGE)
    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)

    money_in.pass_time(seconds=30)
    money_in.sweep()
    assert money_in.read(top_up).status == Status.UNKNOWN, "replayed, but too early to be sure"

    money_in.pass_time(seconds=61)
    money_in.sweep()
    assert (money_in.read(top_up).status, money_in.read(top_up).decline_code) == (Status.FAILED, "processing_error")
    assert money_in.charges() == 0


def test_it_does_not_fail_a_500_that_is_new(money_in: MoneyIn, card: Card, sandbox: RunningSandbox) -> None:
    """B5, B24: Stripe is down for hours: one row, one key, no stacking."""
    sandbox.fault("error_before", match=CHARGE, count=None, saved=False)
    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)
    for _ in range(6):
        money_in.pass_time(hours=1)
        money_in.sweep()
    assert money_in.read(top_up).status == Status.UNKNOWN

    sandbox.clear_faults()
    money_in.pass_time(hours=1)
    money_in.sweep()

    assert (money_in.charges(), money_in.moves()) == (1, [("top_up", 20)])


@pytest.mark.parametrize("fault", ["conflict", "rate_limit"])
def test_it_sends_the_same_again_when_stripe_was_busy(money_in: MoneyIn, card: Card, sandbox: RunningSandbox, fault: str) -> None:
    """B6."""
    sandbox.fault(fault, match=CHARGE)
    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)
    assert top_up.status == Status.UNKNOWN

    money_in.pass_time(seconds=21)
    money_in.sweep()

    assert money_in.read(top_up).status == Status.SUCCEEDED
    assert len({request["idempotency_key"] for request in money_in.requests(CHARGE)}) == 1


@pytest.mark.parametrize(("gone", "code"), [("customer", "rejected"), ("card", "card_gone")])
def test_it_fails_what_stripe_calls_wrong(money_in: MoneyIn, card: Card, alerts: Alerts, gone: str, code: str) -> None:
    """B7: a person is told; the payer, of what they can mend alone."""
    if gone == "customer":
        Wallet.objects.update(stripe_customer_id="cus_gone")
    else:
        Card.objects.update(payment_method_id="pm_gone")

    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)

    assert (top_up.status, top_up.decline_code, alerts()) == (Status.FAILED, code, ["charge_rejected"])
    assert "_gone" not in top_up.failure_message


def test_it_does_not_call_failed_what_another_request_under_its_key_may_have_charged(
    money_in: MoneyIn, card: Card, sandbox: RunningSandbox, alerts: Alerts
) -> None:
    """B20: a release changed what is sent between two tries. The first one's outcome is not known, so a person looks."""
    sandbox.fault("error_before", match=CHARGE)
    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)
    TopUp.objects.update(amount_micros=30 * DOLLAR)

    money_in.pass_time(seconds=21)
    money_in.sweep()

    assert (money_in.read(top_up).status, money_in.balance) == (Status.MANUAL_REVIEW, 0)
    assert alerts() == ["charge_rejected", "top_up_without_outcome"]


@pytest.mark.parametrize("behaviour", ["insufficient_funds", "lost_card", "expired_card", "do_not_try_again"])
def test_it_keeps_every_code_of_a_decline(money_in: MoneyIn, behaviour: str) -> None:
    card = money_in.connect_card(behaviour=behaviour)

    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)

    assert (top_up.status, top_up.decline_code, money_in.balance) == (Status.FAILED, behaviour, 0)
    assert top_up.advice_code
    assert top_up.failure_message
    assert top_up.payment_intent_id
    money_in.deliver()
    assert money_in.read(top_up).status == Status.FAILED


def test_it_ends_a_payment_that_the_bank_asks_about(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """B10: the holder is not there. The payment is canceled before another way is offered, so that it can't succeed later."""
    card = money_in.connect_card(behaviour="needs_authentication")

    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)

    assert (top_up.status, top_up.decline_code) == (Status.FAILED, "authentication_required")
    assert [intent["status"] for intent in sandbox.state()["payment_intents"]] == ["canceled"]


def test_it_keeps_open_what_could_not_be_canceled(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """B10: the slot is freed only once Stripe has said what became of it."""
    card = money_in.connect_card(behaviour="needs_authentication")
    sandbox.fault("drop_before", match="payment_intents.cancel")

    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)
    assert (top_up.status, top_up.payment_intent_id is None) == (Status.UNKNOWN, False)

    money_in.pass_time(seconds=21)
    money_in.sweep()
    assert (money_in.read(top_up).status, money_in.read(top_up).decline_code) == (Status.FAILED, "authentication_required")


def test_it_charges_no_other_card_in_place_of_a_removed_one(money_in: MoneyIn, card: Card) -> None:
    """B11: clean failure; no silent other card."""
    money_in.connect_card("pm_card_mastercard")
    top_up = money_in.ask_for_top_up(card)
    with pytest.raises(CardInUse):
        remove_card(card)
    Card.objects.filter(pk=card.pk).update(removed_at=timezone.now(), is_default=False)

    done = charge_top_up(top_up.pk)

    assert (done.status, done.decline_code, money_in.charges()) == (Status.FAILED, "card_removed", 0)


def test_it_lets_a_payment_end_before_its_replaced_card_is_forgotten(money_in: MoneyIn, card: Card, sandbox: RunningSandbox) -> None:
    """B11: the same card connected again replaces itself, while a charge on the old one has no answer yet."""
    sandbox.fault("drop_before", match=CHARGE)
    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)
    money_in.connect_card()
    money_in.work()
    card.refresh_from_db()
    assert (card.removed_at is None, card.detached_at) == (False, None)

    money_in.pass_time(seconds=21)
    money_in.sweep()
    assert money_in.read(top_up).status == Status.SUCCEEDED

    money_in.sweep()
    card.refresh_from_db()
    assert card.detached_at


def test_it_never_sends_again_once_stripe_may_have_forgotten_the_key(
    money_in: MoneyIn, card: Card, sandbox: RunningSandbox, alerts: Alerts
) -> None:
    """B22: after 24 hours the same key would charge anew. Looked up only, then a person."""
    sandbox.fault("drop_before", match=CHARGE)
    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)
    sandbox.forget_keys()

    money_in.pass_time(hours=24)
    money_in.sweep()

    reviewed = money_in.read(top_up)
    assert (reviewed.status, reviewed.next_check_at, alerts()) == (Status.MANUAL_REVIEW, None, ["top_up_without_outcome"])
    assert (len(money_in.requests(CHARGE)), money_in.charges()) == (1, 0)


def test_it_credits_a_payment_found_after_the_key_was_forgotten(money_in: MoneyIn, card: Card, sandbox: RunningSandbox) -> None:
    """B22: the lookup is by our id in the metadata, and needs no key."""
    sandbox.fault("reset_after", match=CHARGE)
    charge_top_up(money_in.ask_for_top_up(card).pk)
    sandbox.forget_keys()

    money_in.pass_time(hours=24)
    money_in.sweep()

    assert (money_in.charges(), money_in.moves()) == (1, [("top_up", 20)])


def test_it_credits_what_was_given_to_a_person_when_the_money_shows(money_in: MoneyIn, card: Card, sandbox: RunningSandbox) -> None:
    sandbox.fault("reset_after", match=CHARGE)
    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)
    TopUp.objects.update(status=Status.MANUAL_REVIEW, next_check_at=None)

    money_in.deliver()

    assert (money_in.read(top_up).status, money_in.balance) == (Status.SUCCEEDED, 20)


def test_it_finds_the_payment_although_our_clock_is_ahead(money_in: MoneyIn, card: Card, sandbox: RunningSandbox) -> None:
    """X2: what we sent "at ten" Stripe may have made at half past nine."""
    sandbox.fault("error_after", match=CHARGE)
    top_up = charge_top_up(money_in.ask_for_top_up(card).pk)
    TopUp.objects.update(sent_at=timezone.now() + timedelta(minutes=30))

    ask_after_top_up(money_in.read(top_up))

    assert money_in.read(top_up).status == Status.SUCCEEDED


# ---------------------------------------------------------------- the customer at Stripe
def test_it_makes_one_customer_although_the_answer_was_lost(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """B26: created under a key of the workspace's own."""
    sandbox.fault("reset_after", match="customers.create")
    with pytest.raises(OutcomeUnknown):
        stripe_customer(money_in.wallet)

    assert stripe_customer(money_in.wallet) == stripe_customer(Wallet.objects.get())

    assert len(sandbox.state()["customers"]) == 1


def test_it_is_not_stuck_when_the_workspace_was_renamed_meanwhile(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """B26: another name under the same key would be refused for a day."""
    sandbox.fault("reset_after", match="customers.create")
    with pytest.raises(OutcomeUnknown):
        stripe_customer(money_in.wallet)
    money_in.wallet.workspace.name = "Renamed"
    money_in.wallet.workspace.save(update_fields=["name"])

    assert stripe_customer(money_in.wallet)


def test_it_keeps_the_customer_of_whoever_was_first(money_in: MoneyIn) -> None:
    """B26: two raced; the second finds the first one's customer in the row."""
    slow = Wallet.objects.get()
    Wallet.objects.update(stripe_customer_id="cus_first")

    assert stripe_customer(slow) == "cus_first"


def test_it_never_gives_two_wallets_one_customer(money_in: MoneyIn) -> None:
    stripe_customer(money_in.wallet)
    other, _ = make_wallet(name="Other", owner=f"{uuid4().hex}@example.com")

    with pytest.raises(IntegrityError):
        Wallet.objects.filter(pk=other.pk).update(stripe_customer_id=money_in.wallet.stripe_customer_id)
