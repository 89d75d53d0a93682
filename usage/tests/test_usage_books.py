"""check_books finds and names what is wrong between uses, their charges and their sums."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from usage.cloud_events import CloudEvent, UseData, made_here
from usage.models import Budget, KeptEvent, Meter
from usage.services.budgets import set_budget
from usage.services.default_prices import seed_default_prices
from usage.services.holds import UseRequest, capture_use, hold_for_use
from usage.services.ingestion import Reporter, Taken, take_events
from usage.services.kept_aside import replay_kept_event
from wallet.models import Wallet
from wallet.services.promotions import grant_promotion
from wallet.services.wallets import open_wallet
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)


PUT_IN_BY_HAND = """
INSERT INTO wallet_transfer (wallet_id, seq, debit, credit, amount_micros, promotion_micros, balance_after_micros, kind, reference,
    description, happened_at, idempotency_key)
SELECT workspace_id, last_seq + 1, 'wallet', 'usage_revenue', 1000000, 0, balance_micros - 1000000, 'call_out', 'nothing',
    '', now(), '{key}'
FROM wallet_wallet;
UPDATE wallet_wallet SET last_seq = last_seq + 1, balance_micros = balance_micros - 1000000
"""
TAKEN_FOR_THAT_OF_A = "UPDATE usage_event SET transfer_seq = (SELECT last_seq FROM wallet_wallet) WHERE event_id = 'a'"


@pytest.fixture
def wallet() -> Wallet:
    """Two calls, a free one, a lab run, a captured hold, a report that was kept aside and replayed, and a budget."""
    seed_default_prices()
    workspace = Workspace.objects.create(name="Alice")
    wallet = open_wallet(workspace, currency="usd")
    grant_promotion(wallet, amount_micros=10_000_000, reason="Welcome", expires_at=None, idempotency_key="welcome")
    uses = [("a", "call_out", 60), ("b", "call_in", 90), ("c", "call_out", 0), ("d", "voice_lab", 30)]
    events = [
        made_here(
            CloudEvent(id=event_id, source="/calls", type=meter, specversion="1.0", subject=workspace.public_id, data=UseData(quantity=n))
        )
        for event_id, meter, n in uses
    ]
    assert {outcome.taken for outcome in take_events(events, reporter=Reporter())} == {Taken.CHARGED}
    held = hold_for_use(wallet.pk, UseRequest(meter=Meter.objects.get(pk="call_out"), expected_quantity=60), idempotency_key="hold").hold
    assert held is not None
    capture_use(held, quantity=45, reporter=Reporter())
    late = CloudEvent(id="e", source="/calls", type="call_out", specversion="1.0", subject="customer-7", data=UseData(quantity=60))
    take_events([made_here(late)], reporter=Reporter())
    workspace.external_id = "customer-7"
    workspace.save(update_fields=["external_id"])
    replay_kept_event(KeptEvent.objects.get().pk)
    agents = CloudEvent(
        id="f", source="/calls", type="ai_task", specversion="1.0", subject=workspace.public_id, data=UseData(agent="Notes")
    )
    take_events([made_here(agents)], reporter=Reporter())
    set_budget(wallet, scope=Budget.Scope.AGENT, value="Notes", monthly_cap_micros=10_000_000)
    return wallet


def test_it_finds_nothing_wrong_where_nothing_is(wallet: Wallet) -> None:
    call_command("check_books", stdout=StringIO())


@pytest.mark.parametrize(
    ("corruption", "words"),
    [
        ("UPDATE usage_event SET amount_micros = amount_micros + 1 WHERE event_id = 'a'", "for the use a of /calls, and should charge"),
        ("UPDATE usage_event SET transfer_seq = 999 WHERE event_id = 'a'", "should charge the use a of /calls, and is missing"),
        ("UPDATE usage_event SET transfer_seq = 1 WHERE event_id = 'a'", "and is for something else"),
        ("DELETE FROM usage_event WHERE event_id = 'b'", "and there is no such use"),
        ("UPDATE usage_usageday SET amount_micros = amount_micros + 5 WHERE meter_id = 'call_in'", "for call_in on"),
        ("UPDATE usage_usageday SET events = events + 1 WHERE meter_id = 'voice_lab'", "counts 2 uses of voice_lab"),
        ("UPDATE usage_usageday SET billed_quantity = 1 WHERE meter_id = 'call_in'", "another quantity of call_in"),
        ("DELETE FROM usage_usageday WHERE meter_id = 'call_out'", "counts 0 uses of call_out"),
        ("DELETE FROM usage_event WHERE event_id = 'e'", "of /calls kept aside and replayed (charged), and there is no such use"),
        ("UPDATE usage_budgetmonth SET spent_micros = spent_micros + 1", "was spent in "),
        ("DELETE FROM usage_budgetmonth", "says that $0.0000 was spent in "),
        (PUT_IN_BY_HAND.format(key="by hand"), "charges $1.0000 for the use nothing, and there is no such use"),
        (PUT_IN_BY_HAND.format(key="event:nothing"), "charges $1.0000 for the use nothing, and there is no such use"),
        (
            ";".join([PUT_IN_BY_HAND.format(key="by hand"), TAKEN_FOR_THAT_OF_A]),
            "charges the use nothing under the key by hand, and should do so under event:",
        ),
        ("UPDATE usage_event SET hold_id = NULL", "and no use that was charged under it"),
        ("UPDATE wallet_hold SET captured_micros = captured_micros + 1", "and uses under it that cost"),
    ],
)
def test_it_names_what_is_wrong(wallet: Wallet, owner_connection: Any, corruption: str, words: str) -> None:
    with owner_connection.cursor() as cursor:
        cursor.execute(corruption)
    printed = StringIO()

    with pytest.raises((CommandError, SystemExit)):
        call_command("check_books", "--all", stdout=printed, stderr=printed)

    assert words in printed.getvalue()
