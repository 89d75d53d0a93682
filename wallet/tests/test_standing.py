"""How a wallet stands, and that it is told when that changes: once, to whom it concerns, and by time alone as well."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from wallet.ledger import lock_wallet, post
from wallet.models import Account, EventType, Notice, Origin, OutgoingEvent, Promotion, TopUp, Wallet, WebhookEndpoint
from wallet.services.holds import place_hold, release_hold
from wallet.services.mailing import send_notice
from wallet.services.promotions import expire_promotion
from wallet.services.standing import announce_standing, announce_standings, set_low_level, stale_standings
from wallet.services.sweep import wake_everything_due
from wallet.standing import Standing, standing_of
from wallet.tests.builders import DOLLAR, adjustment, charge, entry, make_wallet, paid_top_up, promotion_of, refund_of
from workspaces.models import Membership, Role, User
from workspaces.tests.threads import at_once, errors

HOUR = timedelta(hours=1)
Kind = Notice.Kind


@pytest.fixture
def wallet(db: None) -> Wallet:
    """Alice's, empty, with somebody who listens to webhooks; inbound calls may go 5 dollars below zero for four hours."""
    made = make_wallet()
    alice = User.objects.create_user("alice@example.com", "correct horse battery")
    Membership.objects.create(workspace=made.workspace, user=alice, role=Role.OWNER)
    WebhookEndpoint.objects.create(workspace=made.workspace, url="https://platform.example/hook", secret_sealed="sealed")
    return made


def mails(wallet: Wallet) -> list[str]:
    """What was mailed of the balance, in order."""
    kinds = (Kind.LOW_BALANCE, Kind.BALANCE_USED_UP, Kind.CALLS_PAUSED)
    return list(Notice.objects.filter(wallet=wallet, kind__in=kinds).order_by("pk").values_list("kind", flat=True))


def events(wallet: Wallet) -> list[str]:
    """What the platform was told of it, in order."""
    told = OutgoingEvent.objects.filter(wallet=wallet, type__startswith="wallet.").order_by("occurred_at")
    return [event.removeprefix("wallet.") for event in told.values_list("type", flat=True)]


def use(wallet: Wallet, dollars: float) -> None:
    """A use, and what is told with it, as the ingest does it."""
    with transaction.atomic():
        charge(wallet, int(dollars * DOLLAR))
        announce_standings([lock_wallet(wallet.pk)])


def sweep() -> None:
    """One round of it, as far as standings go."""
    for pk in list(stale_standings().values_list("pk", flat=True)):
        announce_standing(pk)


# ---------------------------------------------------------------- how it stands
AN_HOUR_AGO, NEVER = timezone.now() - HOUR, None
STANDINGS: list[tuple[str, Standing, dict[str, Any]]] = [
    ("never used, never paid", Standing.FINE, {"last_seq": 0}),
    ("enough", Standing.FINE, {"balance_micros": 5 * DOLLAR}),
    ("almost twice as much", Standing.FINE, {"balance_micros": 10 * DOLLAR - 1}),
    ("twice as much", Standing.FINE, {"balance_micros": 10 * DOLLAR}),
    ("a micro below the least top-up", Standing.LOW, {"balance_micros": 5 * DOLLAR - 1}),
    ("below its own level", Standing.LOW, {"balance_micros": 19 * DOLLAR, "low_balance_micros": 20 * DOLLAR}),
    ("above its own level", Standing.FINE, {"balance_micros": 2 * DOLLAR, "low_balance_micros": 2 * DOLLAR}),
    ("set aside, not run out", Standing.LOW, {"balance_micros": 9 * DOLLAR, "held_micros": 9 * DOLLAR}),
    ("nothing left", Standing.DEPLETED, {"balance_micros": 0}),
    ("nothing left, in the grace time", Standing.DEPLETED, {"depleted_at": AN_HOUR_AGO}),
    ("too little for a call, in the grace time", Standing.DEPLETED, {"balance_micros": 1, "depleted_at": AN_HOUR_AGO}),
    ("the grace time is over", Standing.PAUSED, {"depleted_at": AN_HOUR_AGO, "grace_minutes": 60}),
    ("a minute of it is left", Standing.DEPLETED, {"depleted_at": AN_HOUR_AGO, "grace_minutes": 200}),
    (
        "extended while the bank asks",
        Standing.DEPLETED,
        {"depleted_at": AN_HOUR_AGO, "grace_minutes": 0, "grace_extended_until": AN_HOUR_AGO + 9999 * HOUR},
    ),
    ("extended to no end", Standing.PAUSED, {"depleted_at": AN_HOUR_AGO, "grace_minutes": 0, "grace_extended_until": AN_HOUR_AGO}),
    ("extended, and there is money", Standing.FINE, {"balance_micros": 9 * DOLLAR, "grace_extended_until": AN_HOUR_AGO}),
    ("the overdraft is used up", Standing.PAUSED, {"balance_micros": -5 * DOLLAR, "depleted_at": AN_HOUR_AGO}),
    ("almost", Standing.DEPLETED, {"balance_micros": -5 * DOLLAR + 1, "depleted_at": AN_HOUR_AGO}),
    ("no overdraft", Standing.PAUSED, {"depleted_at": AN_HOUR_AGO, "overdraft_micros": 0}),
    ("yen have no coins", Standing.LOW, {"currency": "jpy", "balance_micros": 499 * DOLLAR}),
]


@pytest.mark.parametrize(("standing", "columns"), [pytest.param(*rest, id=name) for name, *rest in STANDINGS])
def test_it_knows_how_a_wallet_stands(wallet: Wallet, standing: Standing, columns: dict[str, Any]) -> None:
    """And the sweep finds it, wherever it was told to stand otherwise."""
    Wallet.objects.update(**{"last_seq": 1, "overdraft_micros": 5 * DOLLAR} | columns)
    wallet.refresh_from_db()
    assert standing_of(wallet, now=timezone.now()) is standing

    for told in set(Standing) - ({Standing.LOW} if wallet.last_seq == 0 else set()):
        Wallet.objects.update(announced=told)
        found = stale_standings().exists()
        announce_standing(wallet.pk)
        assert (told, found) == (told, Wallet.objects.get().announced != told)


def test_it_lets_time_alone_pause_calls(wallet: Wallet) -> None:
    wallet.last_seq, wallet.depleted_at = 9, AN_HOUR_AGO
    end = AN_HOUR_AGO + timedelta(minutes=wallet.grace_minutes)

    assert standing_of(wallet, now=end - timedelta(microseconds=1)) is Standing.DEPLETED
    assert standing_of(wallet, now=end) is Standing.PAUSED


# ---------------------------------------------------------------- what is told
def test_it_tells_each_step_once(wallet: Wallet) -> None:
    paid_top_up(wallet, 20 * DOLLAR)
    for dollars in (1, 14, 1, 1, 2, 1, 1, 3, 1):
        use(wallet, dollars)
    assert mails(wallet) == ["low_balance", "balance_used_up", "calls_paused"]
    assert events(wallet) == ["low_balance", "depleted", "paused"]

    paid_top_up(wallet, 50 * DOLLAR)

    assert mails(wallet) == ["low_balance", "balance_used_up", "calls_paused"]
    assert events(wallet) == ["low_balance", "depleted", "paused", "restored"]
    assert Wallet.objects.get().announced == "fine"


def test_it_says_with_each_until_when_calls_go_on(wallet: Wallet) -> None:
    paid_top_up(wallet, 20 * DOLLAR)
    use(wallet, 21)

    told = OutgoingEvent.objects.get(type=EventType.DEPLETED)
    grace_until = Wallet.objects.get().grace_until
    assert grace_until is not None
    assert told.data["grace_until"] == grace_until.isoformat().replace("+00:00", "Z")
    assert (told.data["balance_micros"], told.data["available_micros"]) == (-DOLLAR, -DOLLAR)
    assert told.data["low_balance_micros"] == 5 * DOLLAR


def test_it_tells_the_platform_of_every_step_of_a_fall(wallet: Wallet) -> None:
    """People get one mail, which says it all."""
    paid_top_up(wallet, 20 * DOLLAR)
    use(wallet, 40)

    assert events(wallet) == ["depleted", "paused"]
    assert mails(wallet) == ["calls_paused"]


def test_it_tells_when_the_grace_time_is_over(wallet: Wallet) -> None:
    paid_top_up(wallet, 20 * DOLLAR)
    use(wallet, 21)
    sweep()
    assert events(wallet) == ["depleted"]

    Wallet.objects.update(depleted_at=timezone.now() - 5 * HOUR)
    sweep()
    sweep()
    use(wallet, 1)

    assert events(wallet) == ["depleted", "paused"]
    assert mails(wallet)[-1] == "calls_paused"


def test_it_tells_the_platform_that_calls_go_on_while_the_bank_asks(wallet: Wallet) -> None:
    paid_top_up(wallet, 20 * DOLLAR)
    use(wallet, 21)
    Wallet.objects.update(grace_minutes=0)
    sweep()

    Wallet.objects.update(grace_extended_until=timezone.now() + HOUR)
    sweep()

    assert events(wallet) == ["depleted", "paused", "depleted"]
    assert mails(wallet) == ["balance_used_up", "calls_paused"]


def test_it_wakes_a_worker_for_what_only_time_has_changed(wallet: Wallet) -> None:
    """The whole sweep, so that the list has it."""
    Wallet.objects.update(last_seq=1, depleted_at=timezone.now() - 5 * HOUR, announced="depleted")

    assert wake_everything_due()["wallet.tasks.announce_standing"] == 1


@pytest.mark.parametrize("credit", ["a top-up", "a promotion", "the operator"])
def test_it_is_restored_by_any_money(wallet: Wallet, credit: str) -> None:
    paid_top_up(wallet, 20 * DOLLAR)
    use(wallet, 21)
    acts: dict[str, Callable[[], object]] = {
        "a top-up": lambda: paid_top_up(wallet, 3 * DOLLAR),
        "a promotion": lambda: promotion_of(wallet, 3 * DOLLAR),
        "the operator": lambda: post(wallet.pk, [adjustment(3 * DOLLAR)]),
    }
    acts[credit]()
    sweep()

    assert events(wallet) == ["depleted", "restored"]
    assert (Wallet.objects.get().announced, mails(wallet)) == ("low", ["balance_used_up"]), "who just paid knows that it is little"


def test_it_tells_of_a_refund_that_leaves_nothing(wallet: Wallet) -> None:
    top_up = paid_top_up(wallet, 20 * DOLLAR)
    refund_of(top_up, 20 * DOLLAR)

    assert events(wallet) == ["depleted"]


def test_it_tells_of_a_promotion_whose_end_leaves_little(wallet: Wallet) -> None:
    promotion_of(wallet, 20 * DOLLAR, expires_in=-HOUR)
    paid_top_up(wallet, 3 * DOLLAR)
    expire_promotion(Promotion.objects.get().pk)

    assert events(wallet) == ["low_balance"]


def test_it_calls_a_small_gift_no_low_balance(wallet: Wallet) -> None:
    promotion_of(wallet, 2 * DOLLAR)
    sweep()

    assert (events(wallet), mails(wallet)) == ([], [])


def test_it_makes_no_news_of_calls_that_set_aside_and_give_back(wallet: Wallet) -> None:
    paid_top_up(wallet, 9 * DOLLAR)
    for number in range(3):
        hold = place_hold(wallet.pk, amount_micros=6 * DOLLAR, reference="call", idempotency_key=f"call-{number}", lifetime=HOUR)
        sweep()
        release_hold(hold)
        sweep()

    assert (events(wallet), mails(wallet)) == (["low_balance"], ["low_balance"])


def test_it_is_told_when_a_hold_gives_back_what_the_grace_time_began_for(wallet: Wallet) -> None:
    paid_top_up(wallet, 9 * DOLLAR)
    hold = place_hold(wallet.pk, amount_micros=9 * DOLLAR, reference="call", idempotency_key="call", lifetime=HOUR)
    Wallet.objects.update(depleted_at=timezone.now())
    sweep()
    assert events(wallet) == ["depleted"]

    release_hold(hold)

    assert events(wallet) == ["depleted", "restored"]


def test_it_mails_a_low_balance_once_a_day(wallet: Wallet) -> None:
    for _ in range(3):
        paid_top_up(wallet, 20 * DOLLAR)
        use(wallet, 19)
    assert mails(wallet) == ["low_balance"]
    assert events(wallet) == ["low_balance"] * 3

    Notice.objects.filter(kind=Kind.LOW_BALANCE).update(reference="2020-01-01")
    paid_top_up(wallet, 20 * DOLLAR)
    use(wallet, 20)

    assert mails(wallet) == ["low_balance"] * 2


def test_it_counts_the_day_in_the_workspaces_zone(wallet: Wallet) -> None:
    wallet.workspace.time_zone = "Pacific/Kiritimati"
    wallet.workspace.save(update_fields=["time_zone"])
    paid_top_up(wallet, 20 * DOLLAR)
    use(wallet, 17)

    assert Notice.objects.get(kind=Kind.LOW_BALANCE).reference == timezone.now().astimezone(wallet.workspace.zone).date().isoformat()


def test_it_mails_no_low_balance_while_the_card_is_being_charged(wallet: Wallet) -> None:
    paid_top_up(wallet, 20 * DOLLAR)
    TopUp.objects.create(wallet=wallet, origin=Origin.AUTOMATIC, amount_micros=DOLLAR, request_id="automatic")
    use(wallet, 17)

    assert (events(wallet), mails(wallet)) == (["low_balance"], [])


def test_it_tells_nobody_of_a_closed_wallet(wallet: Wallet) -> None:
    paid_top_up(wallet, 20 * DOLLAR)
    Wallet.objects.update(closed_at=timezone.now())
    use(wallet, 40)
    sweep()

    assert (events(wallet), mails(wallet)) == ([], [])


@pytest.mark.parametrize(
    ("before", "level", "told", "standing"), [(5, 40, ["low_balance"], "low"), (40, 5, [], "fine"), (40, None, [], "fine")]
)
def test_it_goes_by_the_level_that_was_chosen(wallet: Wallet, before: int, level: int | None, told: list[str], standing: str) -> None:
    Wallet.objects.update(low_balance_micros=before * DOLLAR)
    paid_top_up(wallet, 20 * DOLLAR)

    set_low_level(wallet, micros=level * DOLLAR if level else None)

    assert (events(wallet), Wallet.objects.get().announced) == (told, standing)


# ---------------------------------------------------------------- once, and for nothing
def test_it_mails_once_where_calls_that_end_use_it_up_again_and_again(wallet: Wallet) -> None:
    """All of it is set aside; each call that ends leaves nothing, and the next one's rest is something."""
    paid_top_up(wallet, 20 * DOLLAR)
    for number, left in enumerate((6, 4, 2)):
        hold = place_hold(wallet.pk, amount_micros=left * DOLLAR, reference="call", idempotency_key=f"call-{number}", lifetime=HOUR)
        use(wallet, Wallet.objects.get().available_micros / DOLLAR)
        Notice.objects.filter(sent_at=None).update(sent_at=timezone.now(), next_attempt_at=None)
        release_hold(hold)
    assert events(wallet) == ["depleted", "restored"] * 3
    assert mails(wallet) == ["balance_used_up"]

    paid_top_up(wallet, DOLLAR)
    use(wallet, 3)

    assert mails(wallet) == ["balance_used_up"] * 2


def test_it_mails_a_low_balance_that_was_over_before_it_was_told(wallet: Wallet) -> None:
    """The mail server was away, money came in, and the same day it is low again."""
    paid_top_up(wallet, 20 * DOLLAR)
    use(wallet, 17)
    notice = Notice.objects.get(kind=Kind.LOW_BALANCE)
    paid_top_up(wallet, 20 * DOLLAR)
    send_notice(notice.pk)
    notice.refresh_from_db()
    assert (notice.sent_at, notice.next_attempt_at) == (None, None)

    use(wallet, 20)
    send_notice(notice.pk)
    notice.refresh_from_db()
    assert notice.sent_at is not None

    paid_top_up(wallet, 20 * DOLLAR)
    use(wallet, 20)
    notice.refresh_from_db()
    assert notice.next_attempt_at is None, "once a day"


def test_it_asks_the_database_nothing_where_nothing_changes(wallet: Wallet) -> None:
    paid_top_up(wallet, 20 * DOLLAR)
    other = make_wallet(name="Other")
    fine, depleted = Wallet.objects.get(pk=wallet.pk), Wallet.objects.get(pk=other.pk)
    depleted.last_seq, depleted.depleted_at, depleted.announced = 1, timezone.now(), Standing.DEPLETED

    with CaptureQueriesContext(connection) as queries:
        announce_standings([fine, depleted])

    assert len(queries) == 0


@pytest.mark.django_db(transaction=True)
def test_it_tells_once_however_many_find_it(wallet: Wallet) -> None:
    post(wallet.pk, [adjustment(20 * DOLLAR), entry(21 * DOLLAR, credit=Account.ADJUSTMENTS)])

    outcomes = at_once([lambda: announce_standing(wallet.pk)] * 8)

    assert errors(outcomes) == []
    assert (events(wallet), mails(wallet)) == (["depleted"], ["balance_used_up"])


@pytest.mark.django_db(transaction=True)
def test_it_would_tell_the_platform_again_and_again_without_the_lock(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin of the test above."""
    post(wallet.pk, [adjustment(20 * DOLLAR), entry(21 * DOLLAR, credit=Account.ADJUSTMENTS)])
    monkeypatch.setattr("wallet.services.standing.lock_wallet", lambda pk: Wallet.objects.get(pk=pk))

    at_once([lambda: announce_standing(wallet.pk)] * 8)

    assert len(events(wallet)) > 1
