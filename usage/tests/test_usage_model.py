"""Whatever is paid, posted, given, held, captured, reported, repeated, replayed, in whatever order: the wallet is as plain Python says."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule, run_state_machine_as_test

from usage.cloud_events import CloudEvent, UseData, made_here
from usage.errors import NotAllowed
from usage.models import Event, KeptEvent, Meter, UsageDay
from usage.services.holds import UseRequest, capture_use, extend_use, hold_for_use
from usage.services.ingestion import Reporter, Taken, take_events
from usage.services.kept_aside import replay_kept_event
from usage.services.prices import Terms, current_prices, open_default_card, publish_rates
from usage.tests.plain_model import FAX, OVERDRAFT, Given, Held, Holdable, Model, buys, price
from usage.tests.stage import CENT, LONG_AGO, US
from wallet.errors import AlreadyResolved, HoldExpired, IdempotencyConflict
from wallet.ledger import post
from wallet.models import Account, Hold, Promotion, TopUp, Transfer, Wallet
from wallet.services.holds import expire_due_holds, release_hold
from wallet.services.promotions import expire_promotion
from wallet.tests.books import assert_books_balance
from wallet.tests.builders import adjustment, entry, make_wallet, paid_top_up, promotion_of, refund_of

PAST = timedelta(days=2)
KEYS = st.sampled_from(["a", "b", "c", "d", "e"])
SECONDS = st.sampled_from([0, 1, 30, 60, 61, 119, 240])
REPORTS = st.tuples(KEYS, st.sampled_from(["call_out", "call_in", "ai_task", "fax"]), SECONDS)


class UsageMachine(RuleBasedStateMachine):
    """Acts on a real wallet through the product's services, and on the model of it."""

    holds: Bundle[Held] = Bundle("holds")
    top_ups: Bundle[TopUp] = Bundle("top_ups")
    gifts: Bundle[Given] = Bundle("gifts")

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.model, self.count = Model(), 0

    @initialize()
    def open(self) -> None:
        self.wallet = make_wallet()
        Wallet.objects.filter(pk=self.wallet.pk).update(overdraft_micros=OVERDRAFT)

    def teardown(self) -> None:
        try:
            assert_books_balance()
        finally:
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    def event(self, key: str, meter: str, quantity: int, *, hold: str = "") -> CloudEvent:
        data = UseData(quantity=quantity, to=US if meter == "call_out" else "", hold=hold)
        return CloudEvent(id=key, source="/model", type=meter, specversion="1.0", subject=self.wallet.workspace.public_id, data=data)

    def next(self) -> int:
        self.count += 1
        self.model.tick += 2
        return self.count

    # ---------------------------------------------------------------- money in and out

    @rule(target=top_ups, cents=st.integers(1, 300))
    def pay(self, cents: int) -> TopUp:
        self.next()
        self.model.move(cents * CENT)
        return paid_top_up(self.wallet, cents * CENT)

    @rule(cents=st.integers(-200, 200).filter(bool), key=KEYS)
    def put_right(self, cents: int, key: str) -> None:
        """The operator posts an adjustment, either way; the same key again is the same row, or is refused."""
        self.next()
        out = {"debit": Account.WALLET, "credit": Account.ADJUSTMENTS}
        name, amount = f"fix-{key}", abs(cents) * CENT
        posted = adjustment(amount, key=name) if cents > 0 else entry(amount, key=name, kind="adjustment", **out)
        try:
            with transaction.atomic():
                post(self.wallet.pk, [posted])
        except IdempotencyConflict:
            assert self.model.fixed[key] != cents
            return
        if key not in self.model.fixed:
            self.model.fixed[key] = cents
            self.model.move(cents * CENT)
        assert self.model.fixed[key] == cents

    @rule(top_up=top_ups, part=st.integers(1, 4))
    def refund(self, top_up: TopUp, part: int) -> None:
        """Decided at Stripe, so it is taken though the money is spent or held."""
        refund_of(top_up, top_up.amount_micros // part, number=str(self.next()))
        self.model.move(-(top_up.amount_micros // part))

    @rule(target=gifts, cents=st.integers(1, 100))
    def give(self, cents: int) -> Given:
        self.next()
        given = Given(promotion_of(self.wallet, cents * CENT, expires_in=timedelta(days=1, seconds=self.count)), cents * CENT)
        self.model.given.append(given)
        self.model.move(cents * CENT)
        return given

    @rule(given=gifts)
    def expire_gift(self, given: Given) -> None:
        """Its time comes; what open holds were promised stays."""
        self.next()
        row = Promotion.objects.get(pk=given.row.pk)
        if row.expires_at is not None and row.expires_at > timezone.now():
            Promotion.objects.filter(pk=row.pk).update(expires_at=row.expires_at - PAST)
            # Sooner to expire than all others from now on, so it is spent first; of those that have expired, the earliest first.
            order = list(Promotion.objects.filter(wallet=self.wallet).order_by("expires_at").values_list("pk", flat=True))
            self.model.given.sort(key=lambda one: order.index(one.row.pk))
        gone = min(given.left, max(0, self.model.promotion - self.model.held))
        if gone:
            given.left -= gone
            self.model.move(-gone)
        assert expire_promotion(given.row.pk) == gone

    # ---------------------------------------------------------------- holds

    @rule(
        target=holds,
        meter=st.sampled_from(["call_out", "call_in", "ai_task"]),
        expected=st.sampled_from([None, 1, 9, 60, 150]),
    )
    def hold(self, meter: Holdable, expected: int | None) -> Any:
        """A call gets what the money buys of it, a task is held for whole or not at all."""
        number, model = self.next(), self.model
        wanted = expected or 1 if meter == "ai_task" else 1
        bought, in_grace = buys(meter, model.available, used=model.tasks), False
        if bought < wanted and meter == "call_in" and not model.is_paused:
            bought, in_grace = buys(meter, model.available + OVERDRAFT), True
        known = current_prices().meter(meter)
        assert known is not None
        request = UseRequest(meter=known, destination=US if meter == "call_out" else "", expected_quantity=expected, reference=str(number))
        try:
            with transaction.atomic():
                held = hold_for_use(self.wallet.pk, request, idempotency_key=f"hold-{number}")
        except NotAllowed:
            assert bought < wanted
            return multiple()
        assert bought >= wanted
        assert held.hold is not None
        if in_grace:
            model.run_out()
        quantity = wanted if meter == "ai_task" else min(bought, 4 * 3600, expected or 600)
        amount = price(meter, quantity, used=model.tasks)
        assert (held.hold.amount_micros, hold_for_use(self.wallet.pk, request, idempotency_key=f"hold-{number}").hold) == (
            amount,
            held.hold,
        )
        model.held += amount
        return Held(held.hold, meter, quantity, amount, placed=model.tick + 1, used=model.tasks)

    @rule(hold=holds, by=st.sampled_from([1, 60, 600]))
    def extend(self, hold: Held, by: int) -> None:
        self.next()
        model = self.model
        floor = -OVERDRAFT if hold.meter == "call_in" and not model.is_paused else 0
        most = hold.quantity + (10**9 if hold.meter == "ai_task" else 4 * 3600)
        bought = min(buys(hold.meter, hold.amount + model.available - floor, used=hold.used), most)
        least = hold.quantity + (by if hold.meter == "ai_task" else 1)
        try:
            with transaction.atomic():
                extend_use(self.wallet.pk, hold.row.id, by_quantity=by)
        except (AlreadyResolved, HoldExpired):
            assert hold.status != "open"
        except NotAllowed:
            assert bought < least
        else:
            assert hold.status == "open"
            assert bought >= least
            quantity = min(bought, hold.quantity + by)
            more = max(0, price(hold.meter, quantity, used=hold.used) - hold.amount)
            if model.available < more:
                model.run_out()
            model.held += more
            hold.quantity, hold.amount = quantity, hold.amount + more

    @rule(hold=holds, seconds=SECONDS)
    def capture(self, hold: Held, seconds: int) -> None:
        self.next()
        try:
            with transaction.atomic():
                captured = capture_use(Hold.objects.get(id=hold.row.id), quantity=seconds, reporter=Reporter())
        except AlreadyResolved:
            assert hold.charged or hold.status == "released"
            assert hold.captured != seconds
            return
        if not hold.charged:
            self.charge_under(hold, seconds)
            hold.captured = seconds
        assert (captured.amount_micros, seconds) == (hold.cost, hold.captured)

    @rule(hold=holds, seconds=SECONDS)
    def capture_by_event(self, hold: Held, seconds: int) -> None:
        """A new event each time. One use is charged under one hold, whatever became of that; another telling is kept aside."""
        key = f"n{self.next()}"
        (outcome,) = take_events([made_here(self.event(key, hold.meter, seconds, hold=str(hold.row.id)))], reporter=Reporter())
        assert outcome.taken is (Taken.KEPT_ASIDE if hold.charged else Taken.CHARGED), outcome
        if hold.charged:
            self.model.kept.add((key, hold.meter, seconds, str(hold.row.id)))
        else:
            self.charge_under(hold, seconds)

    def charge_under(self, hold: Held, seconds: int) -> None:
        hold.charged = True
        hold.cost = self.model.use(hold.meter, seconds)
        if hold.status == "open":
            self.model.give_back(hold, "captured")

    @rule(hold=holds)
    def release(self, hold: Held) -> None:
        self.next()
        try:
            with transaction.atomic():
                release_hold(hold.row)
        except (AlreadyResolved, HoldExpired):
            assert hold.status in ("captured", "expired")
            return
        if hold.status == "open":
            self.model.give_back(hold, "released")

    @rule(hold=holds)
    def expire(self, hold: Held) -> None:
        self.next()
        Hold.objects.filter(id=hold.row.id).update(expires_at=Now())
        assert expire_due_holds() == (hold.status == "open")
        if hold.status == "open":
            self.model.give_back(hold, "expired")

    @rule(minutes=st.sampled_from([0, 240]))
    def give_grace(self, minutes: int) -> None:
        """The operator takes the grace time away, which is as if it had passed, or gives it."""
        self.model.has_grace = minutes > 0
        Wallet.objects.filter(pk=self.wallet.pk).update(grace_minutes=minutes)

    # ---------------------------------------------------------------- reports

    @rule(batch=st.lists(REPORTS, min_size=1, max_size=6))
    def report(self, batch: list[tuple[str, str, int]]) -> None:
        """Repeats, conflicts and what cannot be priced among them, of keys that may stand already."""
        self.next()
        outcomes = take_events([made_here(self.event(*one)) for one in batch], reporter=Reporter())
        assert [outcome.taken for outcome in outcomes] == [self.expected(*one) for one in batch]

    def expected(self, key: str, meter: str, quantity: int) -> Taken:
        model = self.model
        if meter == "fax" and not model.faxes:
            model.kept.add((key, meter, quantity, ""))
            return Taken.KEPT_ASIDE
        if key in model.charged:
            if model.charged[key] == (meter, quantity):
                return Taken.REPEATED
            model.kept.add((key, meter, quantity, ""))
            return Taken.KEPT_ASIDE
        model.charged[key] = (meter, quantity)
        model.use(meter, quantity)
        return Taken.CHARGED

    @rule()
    def mend(self) -> None:
        """The operator sets the missing meter up."""
        if self.model.faxes:
            return
        self.model.faxes = True
        Meter.objects.create(key="fax", name="Faxes", unit="page", kind="message_out")
        publish_rates(open_default_card("usd", name="Standard USD"), terms=[Terms(meter="fax", price_micros=FAX)], valid_from=LONG_AGO)

    @rule(count=st.integers(1, 5))
    def replay(self, count: int) -> None:
        """The operator has what is kept aside taken again, mended or not: what cannot be charged stays."""
        self.next()
        for kept in KeptEvent.objects.filter(status="kept").order_by("pk")[:count]:
            (one,) = [one for one in self.model.kept if kept.body == made_here(self.event(*one[:3], hold=one[3])).body.decode()]
            taken = Taken.KEPT_ASIDE if one[3] else self.expected(*one[:3])
            assert replay_kept_event(kept.pk).outcome.taken is taken
            if taken is not Taken.KEPT_ASIDE:
                self.model.kept.discard(one)

    # ---------------------------------------------------------------- what must hold after each

    @invariant()
    def the_wallet_is_as_the_model_says(self) -> None:
        wallet, model = Wallet.objects.get(pk=self.wallet.pk), self.model
        found = (wallet.balance_micros, wallet.held_micros, wallet.promotion_micros, wallet.last_seq, wallet.depleted_at is not None)
        assert found == (model.balance, model.held, model.promotion, model.rows, model.depleted is not None)

    @invariant()
    def what_is_kept_aside_is_what_could_not_be_charged(self) -> None:
        assert KeptEvent.objects.filter(status="kept").count() == len(self.model.kept)

    @invariant()
    def each_event_has_its_row_and_its_day(self) -> None:
        charged = sorted(Transfer.objects.filter(wallet=self.wallet, credit="usage_revenue").values_list("seq", "amount_micros"))
        assert sorted(Event.objects.values_list("transfer_seq", "amount_micros")) == charged
        assert sum(UsageDay.objects.values_list("events", flat=True)) == len(charged)


@pytest.mark.django_db
def test_it_is_what_a_plain_model_says(prices: None) -> None:
    run_state_machine_as_test(UsageMachine, settings=settings(max_examples=20, stateful_step_count=25, deadline=None))
