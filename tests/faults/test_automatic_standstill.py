"""What could keep a wallet from ever being charged again: waiting without end, money that falls short, cards that are gone."""

from typing import Any

import pytest
from django.utils import timezone

from tests.faults.automatic import CHARGE, lose_before_stripe
from tests.payments import DOLLAR, Alerts, MoneyIn
from wallet import stripe_gateway
from wallet.errors import CardUnusable
from wallet.models import AutomaticPayments, Card, ChargingSwitch, TopUp, Wallet
from wallet.services.automatic_payments import TIRED_AFTER, try_again
from wallet.services.cards import refresh_card, set_backup_card
from wallet.services.charging_switch import RESTORED, charging_is_paused, pause_charging, resume_after_restore, set_charging
from wallet.services.checkout import open_checkout
from wallet.services.top_ups import close_review, payment_metadata
from wallet.stripe_objects import CardDetails
from wallet.tasks import charge_top_up as charge_top_up_task

Suspension = AutomaticPayments.Suspension


def behave(money_in: MoneyIn, behaviour: str) -> None:
    money_in.sandbox.set_card_behaviour(money_in.default_card.payment_method_id, behaviour)


# ---------------------------------------------------------------- the cardholder is asked
def test_it_stops_waiting_for_its_owner_though_uses_come_meanwhile(active: MoneyIn) -> None:
    """B10: inbound calls go on while the link waits, so a use may come after the link is over and before the sweep."""
    behave(active, "needs_authentication")
    active.use(25)
    active.work()
    active.pass_time(hours=25)

    active.use(1)
    active.sweep()

    assert active.rule.suspension == Suspension.NOT_CONFIRMED
    assert Wallet.objects.get().grace_extended_until is None


def test_it_charges_the_card_that_was_connected_once_nobody_had_confirmed(active: MoneyIn) -> None:
    """Nobody connects a card to have the one charged again whose bank asks every time."""
    behave(active, "needs_authentication")
    active.use(25)
    active.work()
    active.pass_time(hours=25)
    active.sweep()

    active.connect_card("pm_card_mastercard")
    active.sweep()

    assert active.outcomes() == [("failed", 25), ("succeeded", 25)]
    assert active.default_card.brand == "mastercard"


# ---------------------------------------------------------------- money that falls short
def test_it_goes_on_until_the_gap_is_closed(active: MoneyIn) -> None:
    """Uses that came during the charge left a dry wallet, which no use will set off again."""
    active.use(25)
    active.use(31)
    active.work()
    assert (active.outcomes(), active.balance) == ([("succeeded", 25)], -1)

    for _ in range(2):
        active.sweep()

    assert (active.outcomes(), active.balance) == ([("succeeded", 25)] * 2, 24)


def test_it_waits_for_its_cap_although_somebody_paid_a_little(money_in: MoneyIn) -> None:
    """The need outlasts a top-up that is too small: next month it is met without another use."""
    money_in.give(30)
    card = money_in.connect_card()
    money_in.switch_on(card, monthly_cap=25)
    money_in.use(100)
    money_in.work()
    money_in.pass_time(minutes=2)
    money_in.sweep()
    opens_at = money_in.rule.next_try_at

    charge_top_up_task(str(money_in.ask_for_top_up(card, dollars=20).pk))
    money_in.pass_time(minutes=2)
    money_in.sweep()

    assert money_in.balance == -25
    assert money_in.rule.next_try_at == opens_at is not None


def test_it_says_that_the_card_is_refused_when_somebody_paid_too_little(active: MoneyIn) -> None:
    """The top-up lifts the suspension, the need stands, and the bank's word about the card too: there is one, and it is not charged."""
    behave(active, "lost_card")
    active.use(45)
    active.work()
    active.sandbox.pay_checkout(open_checkout(active.ask_for_link(dollars=5)))
    active.deliver()

    active.sweep()

    assert (active.rule.suspension, len(active.automatic()), active.balance) == (Suspension.CARD_REFUSED, 1, -10)


# ---------------------------------------------------------------- payments that nobody goes on with
def lose_a_charge(money_in: MoneyIn, *, status: str) -> None:
    """Stripe made the payment and got no further; nobody was told."""
    lose_before_stripe(money_in)
    (top_up,) = money_in.automatic()
    intents = stripe_gateway._client().v1.payment_intents
    made = intents.create(
        {
            "amount": 2500,
            "currency": "usd",
            "customer": str(money_in.wallet.stripe_customer_id),
            "payment_method": money_in.default_card.payment_method_id,
            "metadata": payment_metadata(money_in.read(top_up)),
        }
    )
    if status == "requires_action":
        behave(money_in, "needs_authentication")
        intents.confirm(made.id, {"return_url": "http://127.0.0.1:9/"})
    elif status == "canceled":
        intents.cancel(made.id)
    assert intents.retrieve(made.id).status == status


@pytest.mark.parametrize(
    ("status", "decline"), [("requires_action", "authentication_required"), ("requires_confirmation", "processing_error")]
)
def test_it_ends_a_payment_that_waits_for_nobody(active: MoneyIn, status: str, decline: str) -> None:
    """B10: it would wait for ever, and its wallet with it."""
    lose_a_charge(active, status=status)

    active.pass_time(seconds=61)
    active.sweep()

    assert [(top_up.status, top_up.decline_code) for top_up in active.automatic()] == [("failed", decline)]
    assert [intent["status"] for intent in active.sandbox.state()["payment_intents"]] == ["canceled"]
    assert (active.rule.confirmation_link is not None, active.rule.failures) == ((True, 0) if status == "requires_action" else (False, 1))


def test_it_decides_anew_after_a_charge_was_canceled_at_stripe(active: MoneyIn) -> None:
    lose_a_charge(active, status="canceled")
    active.pass_time(seconds=61)
    active.sweep()
    assert active.outcomes() == [("canceled", 25)]

    active.pass_time(minutes=61)
    active.sweep()

    assert active.outcomes() == [("canceled", 25), ("succeeded", 25)]


def test_it_lets_a_person_close_what_cannot_be_credited_once_it_went_back(active: MoneyIn) -> None:
    """A16: somebody merged two customers at Stripe. Refunded there, it no longer keeps the wallet from being charged."""
    active.sandbox.fault("reset_after", match=CHARGE)
    active.use(25)
    active.work()
    Wallet.objects.update(stripe_customer_id="cus_merged")
    active.deliver()
    (top_up,) = active.automatic()
    assert top_up.status == close_review(top_up, reason="A look.").status == "manual_review"

    active.sandbox.refund(str(top_up.payment_intent_id))

    assert close_review(active.read(top_up), reason="Refunded at Stripe.").status == "failed"
    assert active.rule.failures == 1


# ---------------------------------------------------------------- cards
def test_it_charges_the_backup_where_the_card_is_gone_at_stripe(active: MoneyIn, alerts: Alerts) -> None:
    """Detached by hand at Stripe: asking again cannot help, and the operator is told."""
    set_backup_card(active.connect_card("pm_card_mastercard"))
    stripe_gateway.detach_card(active.default_card.payment_method_id)

    active.use(25)
    active.work()

    assert active.outcomes() == [("failed", 25), ("succeeded", 25)]
    assert active.default_card.refused_at
    assert alerts() == ["charge_rejected"]


def test_it_holds_nothing_against_a_card_to_which_no_bank_said_no(active: MoneyIn) -> None:
    """Asked to confirm, called wrong, canceled: the first true decline is the first, and is tried again."""
    behave(active, "insufficient_funds")
    active.use(25)
    for number, code in enumerate(("authentication_required", "rejected", "authentication_required")):
        past(active, number, decline_code=code)

    active.work()

    assert (active.default_card.refused_at, active.rule.suspended_at, active.rule.failures) == (None, None, 1)


def test_it_lets_no_owner_try_a_card_more_often_than_the_networks_allow(active: MoneyIn) -> None:
    """First table of what others shipped: a dead card retried. The owner's word ends our pauses, not Mastercard's fees."""
    card = active.default_card
    for number in range(TIRED_AFTER[0][1]):
        past(active, number, decline_code="insufficient_funds")
    active.take(25)

    with pytest.raises(CardUnusable, match="Use another card"):
        try_again(active.wallet)
    with pytest.raises(CardUnusable, match="Use another card"):
        active.switch_on(card, amount=30)
    assert active.switch_on(active.connect_card("pm_card_mastercard"), amount=30).top_up is not None


def past(money_in: MoneyIn, number: int, **changes: Any) -> None:
    TopUp.objects.create(
        **{
            "wallet": money_in.wallet,
            "origin": "automatic",
            "amount_micros": 25 * DOLLAR,
            "card": money_in.default_card,
            "request_id": f"past-{number}",
            "status": "failed",
            "resolved_at": timezone.now(),
        }
        | changes
    )


def test_it_tries_no_card_again_because_another_was_renewed(active: MoneyIn) -> None:
    behave(active, "insufficient_funds")
    active.use(25)
    active.work()
    other = Card.objects.create(
        wallet=active.wallet, payment_method_id="pm_other", brand="visa", last_four="0005", expiry_month=1, expiry_year=2030
    )
    before = active.rule.next_try_at

    renew(other)

    assert (active.rule.failures, active.rule.next_try_at) == (1, before)


def renew(card: Card) -> None:
    refresh_card(
        CardDetails(
            payment_method_id=card.payment_method_id,
            brand=card.brand,
            last_four="0006",
            expiry_month=1,
            expiry_year=2034,
            fingerprint="",
            customer_id="",
            reusable=True,
        )
    )


# ---------------------------------------------------------------- a dispute
@pytest.mark.parametrize("outcome", ["lose_dispute", "win_dispute"])
def test_it_asks_the_owner_before_it_charges_on_after_a_lost_dispute(active: MoneyIn, outcome: str) -> None:
    """A19: a card whose holder had the money taken back is charged again only where the owner says so."""
    active.use(25)
    active.work()
    dispute = active.sandbox.open_dispute(str(TopUp.objects.get().payment_intent_id))
    active.deliver()
    getattr(active.sandbox, outcome)(dispute["id"])
    active.deliver()
    active.use(29)
    active.pass_time(hours=2)
    active.sweep()
    charged = TopUp.objects.count()
    is_lost = outcome == "lose_dispute"

    assert (active.rule.suspension, charged) == (("disputed", 1) if is_lost else ("", 2))
    if is_lost:
        active.sandbox.pay_checkout(open_checkout(active.ask_for_link()))
        active.deliver()
        assert (active.rule.suspension, TopUp.objects.count()) == ("disputed", 2), "Somebody's payment is not the owner's word."
        active.use(20)
        try_again(active.wallet)
        active.work()
        assert TopUp.objects.count() == 3


@pytest.mark.parametrize(
    ("fault", "behaviour", "ends"),
    [("", "", ("canceled", 25)), ("reset_after", "", ("succeeded", 25)), ("reset_after", "insufficient_funds", ("failed", 25))],
)
def test_it_charges_on_for_nothing_that_was_under_way_when_a_dispute_was_lost(
    active: MoneyIn, fault: str, behaviour: str, ends: tuple[str, int]
) -> None:
    """A19: decided on before, it is not sent; sent before, its end neither lifts the suspension nor turns to the backup card."""
    set_backup_card(active.connect_card("pm_card_mastercard"))
    active.use(25)
    active.work()
    paid = str(TopUp.objects.get().payment_intent_id)
    active.use(25)
    if behaviour:
        behave(active, behaviour)
    if fault:
        active.sandbox.fault(fault, match=CHARGE)
        active.work()
    active.lose_messages()
    dispute = active.sandbox.open_dispute(paid)
    active.sandbox.lose_dispute(dispute["id"])
    active.deliver("charge.dispute.closed")

    active.pass_time(minutes=2)
    active.sweep()

    assert active.outcomes() == [("succeeded", 25), ends]
    assert (active.rule.suspension, active.rule.next_try_at) == (Suspension.DISPUTED, None)


# ---------------------------------------------------------------- a database that was restored
def test_it_stays_paused_by_a_person_though_a_restore_comes_to_its_end(active: MoneyIn) -> None:
    """B25: the pause of a restore ends by itself, and must not end with it what an operator has stopped meanwhile."""
    pause_charging(reason=RESTORED)
    set_charging(paused=True, reason="Stripe is having trouble")
    resume_after_restore()

    assert charging_is_paused()


def test_it_asks_stripe_first_where_the_database_was_restored_while_charging_was_paused(active: MoneyIn) -> None:
    """B25: the backup itself says that charging is paused, so nothing else has noticed when it is resumed."""
    set_charging(paused=True, reason="Before the move")
    ChargingSwitch.objects.update(database="another/1")
    set_charging(paused=False)

    assert charging_is_paused()
    assert ChargingSwitch.objects.get().reason == RESTORED
