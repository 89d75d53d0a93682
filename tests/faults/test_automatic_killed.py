"""The worker dies by SIGKILL at any line that an automatic payment runs through (B2, B3, B10, B17): one charge, one credit.

A few lines of each way through in the suite; EVERY_LINE=1 dies at each of them.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from stripe_sandbox.testing import RunningSandbox
from tests.faults.dying import KILLED, ROOT
from tests.payments import MoneyIn, make_wallet
from wallet.models import PaymentLink, TopUp, Transfer
from wallet.services.cards import set_backup_card
from wallet.services.checkout import open_checkout
from wallet.tasks import charge_top_up

pytestmark = pytest.mark.thorough

DEATHS_MAX = 6
"""So many lines of a task are tried in the suite, spread over all of them."""
CHARGE, CHECK, DECIDE = "wallet.tasks.charge_top_up", "wallet.tasks.check_top_up", "wallet.tasks.reconsider_automatic_payment"
MAKES = "payment_intents.create"


@dataclass
class Mortal:
    """The process that dies when it is told to."""

    process: "subprocess.Popen[str]"

    def do(self, task: str, argument: object, *, dies_at: int = 0) -> str:
        """How many lines the task ran through, or that it was killed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{task} {argument} {dies_at}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(">"):
                return line[1:].strip()
        raise AssertionError("the process that does the tasks has gone")


@contextmanager
def mortal(sandbox: RunningSandbox) -> Iterator[Mortal]:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "wallet_billing.settings", "STRIPE_API_BASE": sandbox.api_url}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.dying"], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Mortal(process)
    finally:
        process.kill()
        process.communicate()


# ---------------------------------------------------------------- what is at stake when it dies
def good_card(money_in: MoneyIn) -> None:
    """A card that pays."""


def declined_with_a_backup(money_in: MoneyIn) -> None:
    """The first card is declined, the backup pays."""
    set_backup_card(money_in.connect_card("pm_card_mastercard"))
    money_in.sandbox.set_card_behaviour(money_in.default_card.payment_method_id, "insufficient_funds")


def wants_authentication(money_in: MoneyIn) -> None:
    """The bank wants the cardholder, who gets a link."""
    money_in.sandbox.set_card_behaviour(money_in.default_card.payment_method_id, "needs_authentication")


def outcome_unknown(money_in: MoneyIn) -> None:
    """Stripe has charged, its answer was lost, and the sweep asks."""
    money_in.sandbox.fault("reset_after", match=MAKES)
    (top_up,) = money_in.automatic()
    charge_top_up(str(top_up.pk))
    assert money_in.outcomes() == [("unknown", 25)]
    money_in.is_due(top_up)


def never_sent(money_in: MoneyIn) -> None:
    """Nobody could send it, and the sweep finds it."""
    (top_up,) = money_in.automatic()
    money_in.is_due(top_up)


def page_is_open(money_in: MoneyIn) -> None:
    """Dies while the way is cleared: a page is open on which the same need can be paid."""
    TopUp.objects.filter(wallet=money_in.wallet).update(status="failed", resolved_at="2026-01-01T00:00:00Z")
    open_checkout(money_in.ask_for_link(dollars=40))
    TopUp.objects.filter(wallet=money_in.wallet, origin="automatic").update(status="created", resolved_at=None)


PAID = [("automatic_payment", 25.0)]
Scenario = tuple[str, Callable[[MoneyIn], None], list[str], list[tuple[str, float]]]
SCENARIOS: list[Scenario] = [
    (CHARGE, good_card, ["succeeded"], PAID),
    (CHARGE, declined_with_a_backup, ["failed", "succeeded"], PAID),
    (CHARGE, wants_authentication, ["failed"], []),
    (CHARGE, page_is_open, ["succeeded"], PAID),
    (CHECK, outcome_unknown, ["succeeded"], PAID),
    (CHECK, never_sent, ["succeeded"], PAID),
]


def about_to_charge(sandbox: RunningSandbox, *, number: int, prepare: Callable[[MoneyIn], None]) -> MoneyIn:
    """One more wallet with an automatic payment that is due."""
    wallet, owner = make_wallet(name=f"Workspace {number}", owner=f"owner-{number}@example.com")
    money_in = MoneyIn(sandbox=sandbox, wallet=wallet, alice=owner)
    money_in.give(30)
    money_in.switch_on(money_in.connect_card())
    money_in.use(25)
    prepare(money_in)
    money_in.lose_messages()
    return money_in


def lines_to_die_at(total: int) -> range:
    return range(1, total + 1, 1 if os.environ.get("EVERY_LINE") else max(total // DEATHS_MAX, 1))


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("task", "prepare", "outcomes", "moves"), SCENARIOS, ids=[scenario[1].__name__ for scenario in SCENARIOS])
def test_it_charges_once_wherever_the_worker_dies(
    money_in: MoneyIn,
    sandbox: RunningSandbox,
    task: str,
    prepare: Callable[[MoneyIn], None],
    outcomes: list[str],
    moves: list[tuple[str, float]],
) -> None:
    with mortal(sandbox) as worker:
        whole = about_to_charge(sandbox, number=0, prepare=prepare)
        total = int(worker.do(task, whole.automatic()[0].pk))
        wallets = [whole]
        for line in lines_to_die_at(total):
            victim = about_to_charge(sandbox, number=line, prepare=prepare)
            assert worker.do(task, victim.automatic()[0].pk, dies_at=line) == KILLED
            victim.lose_messages()
            wallets.append(victim)

    for _ in range(4):
        money_in.pass_time(seconds=61)
        money_in.sweep()

    assert len(wallets) > DEATHS_MAX
    for wallet in wallets:
        assert [status for status, _ in wallet.outcomes()] == outcomes, wallet.wallet.workspace.name
        assert [move for move in wallet.moves() if move[1] > 0][1:] == moves
    taken = [intent["metadata"]["top_up_id"] for intent in sandbox.state()["payment_intents"] if intent["status"] == "succeeded"]
    assert sorted(taken) == sorted(Transfer.objects.filter(debit="stripe").values_list("reference", flat=True))
    assert len(taken) == len(wallets) * len(moves)
    if prepare is wants_authentication:
        assert PaymentLink.objects.count() == len(wallets), "each owner has one link"


def test_it_decides_once_wherever_the_worker_dies(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """B2: the decision is one transaction: the charge is there whole or not at all, and then it is made."""
    money_in.give(30)
    money_in.switch_on(money_in.connect_card(), daily=10, monthly_cap=1000)
    money_in.take(25)
    with mortal(sandbox) as worker:
        total, line = 0, 0
        while not total:
            line += 1 if os.environ.get("EVERY_LINE") else 12
            type(money_in.rule).objects.update(next_try_at="2026-01-01T00:00:00Z")
            said = worker.do(DECIDE, money_in.wallet.pk, dies_at=line)
            total = 0 if said == KILLED else int(said)
            assert len(money_in.automatic()) in (0, 1)
    money_in.lose_messages()

    money_in.pass_time(seconds=61)
    money_in.sweep()

    assert total > 20
    assert money_in.outcomes() == [("succeeded", 25)]
