"""Point-in-time restore, done for real: what docs/operations.md tells an operator to do, on a PostgreSQL of this test's own.

RESTORE_ROWS says how long the book is; with `-s`, what took how long is printed.
"""

import io
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.models import F

from stripe_sandbox.testing import RunningSandbox
from tests.environment import product_environment
from tests.payments import DOLLAR, Alerts, MoneyIn, make_wallet
from wallet.ledger import post
from wallet.models import ChargingSwitch, TopUp, Transfer, Wallet
from wallet.services import reconciliation
from wallet.services.charging_switch import charging_is_paused, charging_switch
from wallet.tasks import charge_top_up
from wallet.tests.builders import adjustment, entry
from wallet_billing.local import binaries
from wallet_billing.local.account import credentials, own_folder, server_account
from wallet_billing.local.console import Console
from wallet_billing.local.databases import APP_ROLE, OWNER_ROLE, ensure_database
from wallet_billing.local.postgres import Postgres
from wallet_billing.local.stack import Stack
from wallet_billing.local.state import StateDirectory

ROWS = int(os.environ.get("RESTORE_ROWS", "20000"))
ROWS_AT_ONCE = 5_000
NAME = "wallet"
CHARGE = "payment_intents.create"
WAIT_SECONDS_MAX = 600.0


@dataclass(frozen=True)
class Servers:
    """One server that archives its write-ahead log, and a second one that begins where a backup is put."""

    state: StateDirectory
    first: Postgres
    second: Postgres
    archive: Path

    def run(self, program: str, *arguments: str) -> None:
        """One of PostgreSQL's own programs, as the account that its files belong to."""
        command = [str(binaries.postgres_bin(self.first.home, account=self.first.account) / program), *arguments]
        subprocess.run(command, cwd="/", check=True, capture_output=True, **credentials(self.first.account))

    def url(self, server: Postgres, *, role: str = APP_ROLE) -> str:
        """Of the product's database there."""
        secrets = self.state.secrets()
        password = secrets.app_password if role == APP_ROLE else secrets.owner_password
        return server.url(role=role, password=password, database=NAME)


@pytest.fixture
def own_servers() -> Iterator[Servers]:
    """The first runs and has the product's tables."""
    with tempfile.TemporaryDirectory(prefix="wallet-restore-") as folder:
        Path(folder).chmod(0o711)  # As root, PostgreSQL runs as an account of its own and must reach its data.
        state = StateDirectory(Path(folder))
        state.open()
        servers = _described(state)
        try:
            _start_first(servers)
            yield servers
        finally:
            servers.first.stop()
            servers.second.stop()
            state.close()


def _described(state: StateDirectory) -> Servers:
    account = server_account()
    home, password = state.server_home(account=account), state.secrets().superuser_password
    archive, elsewhere = (own_folder(home / name, account=account) for name in ("archive", "elsewhere"))
    first = Postgres(home=home, password=password, log_path=state.log_path("first"), account=account)
    second = Postgres(home=elsewhere, password=password, log_path=state.log_path("second"), account=account)
    return Servers(state, first, second, archive)


def _start_first(servers: Servers) -> None:
    """As docs/operations.md has it: the archive takes each segment once."""
    first = servers.first
    first.prepare()
    with (first.data / "postgresql.conf").open("a") as configuration:
        kept = f"{servers.archive}/%f"
        keep = f"test ! -f {kept} && cp %p {kept}.part && mv {kept}.part {kept}"
        configuration.write(f"\narchive_mode = on\narchive_timeout = 60s\narchive_command = '{keep}'\n")
    first.start()
    ensure_database(first, name=NAME, secrets=servers.state.secrets())
    environment = product_environment(
        database_url=servers.url(first), redis_url="redis://127.0.0.1:9", site_url="http://testserver", mail_folder=tempfile.gettempdir()
    )
    environment |= {"DJANGO_SETTINGS_MODULE": "wallet_billing.settings", "DATABASE_OWNER_URL": servers.url(first, role=OWNER_ROLE)}
    Stack(state=servers.state, environment=os.environ | environment, console=Console(quiet=True)).manage("prepare_database", doing="")


@contextmanager
def working_on(server: Postgres, *, password: str) -> Iterator[None]:
    """The product in this process reads and writes that server's database."""
    settings, before = connection.settings_dict, dict(connection.settings_dict)
    connections.close_all()
    settings.update(HOST="127.0.0.1", PORT=str(server.port), NAME=NAME, USER=APP_ROLE, PASSWORD=password)
    try:
        yield
    finally:
        connections.close_all()
        settings.update(before)


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    sys.stdout.write(f"{what}: {time.monotonic() - began:.1f} s\n")


@contextmanager
def uses_charged_meanwhile(customer: MoneyIn) -> Iterator[None]:
    """A platform goes on reporting while the block runs; at least one use falls into it."""
    over, begun, errors = threading.Event(), threading.Event(), list[BaseException]()

    def charge() -> None:
        try:
            while not over.is_set():
                customer.use(0.000_1)
                begun.set()
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            begun.set()
            connection.close()

    platform = threading.Thread(target=charge)
    platform.start()
    begun.wait()
    try:
        yield
    finally:
        over.set()
        platform.join()
    assert errors == []


def fill(wallet: Wallet) -> None:
    """A book as long as asked for."""
    for first in range(0, ROWS, ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, ROWS - first)
        post(wallet.pk, [entry(1, key=f"history-{first + number}") for number in range(count)])


def sums() -> dict[int, tuple[int, int]]:
    """Balance and number of the newest row of each book."""
    rows = Wallet.objects.values_list("pk", "balance_micros", "last_seq")
    return {wallet_id: (balance_micros, seq) for wallet_id, balance_micros, seq in rows}


def asked(server: Postgres, question: str) -> Any:
    """What the server says, as its superuser."""
    session = psycopg2.connect(server.superuser_url(database=NAME))
    session.autocommit = True
    try:
        with session.cursor() as cursor:
            cursor.execute(question)
            return cursor.fetchone()
    finally:
        session.close()


def with_history(sandbox: RunningSandbox) -> MoneyIn:
    """A customer who has paid once, by a card that is charged automatically from now on; another one has a long book."""
    customer = MoneyIn(sandbox, *make_wallet(name="Acme Calls", owner="alice@example.com"))
    another, _ = make_wallet(name="Bob's Bakery", owner="bob@example.com")
    card = customer.connect_card()
    charge_top_up(str(customer.ask_for_top_up(card, dollars=30).pk))
    customer.switch_on(card, threshold=10, amount=25)
    post(another.pk, [adjustment(DOLLAR)])
    with timed(f"{ROWS:,} transfers"):
        fill(another)
    return customer


def back_up(servers: Servers, *, customer: MoneyIn) -> None:
    """The first server's files, where the second one will begin, copied while uses are charged."""
    backup = str(servers.second.data)
    with timed("base backup"), uses_charged_meanwhile(customer):
        servers.run("pg_basebackup", "--dbname", servers.first.superuser_url(), "--pgdata", backup, "--checkpoint=fast")
    servers.run("pg_verifybackup", backup)


def books_balance() -> bool:
    try:
        call_command("check_books", stdout=io.StringIO())
    except CommandError:
        return False
    return True


def make_mistake(servers: Servers) -> None:
    """Somebody with the owner's password, in the wrong window."""
    owner = psycopg2.connect(servers.url(servers.first, role=OWNER_ROLE))
    with owner, owner.cursor() as cursor:
        cursor.execute("ALTER TABLE wallet_transfer DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM wallet_transfer WHERE kind = 'use'")
    owner.close()


def begin_restore(servers: Servers, *, moment: datetime) -> None:
    """The backup is brought forward to the moment and waits there, to be looked at."""
    second = servers.second
    second.prepare()
    with (second.data / "postgresql.conf").open("a") as configuration:
        configuration.write(f"\nrestore_command = 'cp {servers.archive}/%f %p'\nrecovery_target_time = '{moment.isoformat()}'\n")
        configuration.write("recovery_target_action = 'pause'\n")
    signal_file = second.data / "recovery.signal"
    signal_file.touch()
    if second.account is not None:
        os.chown(signal_file, second.account.uid, second.account.gid)
    second.start()
    give_up_at = time.monotonic() + WAIT_SECONDS_MAX
    while asked(second, "SELECT pg_get_wal_replay_pause_state()") != ("paused",):
        assert time.monotonic() < give_up_at, second.child.last_words()
        time.sleep(0.05)


def promote(server: Postgres) -> None:
    """From here on it is written to."""
    (is_promoted,) = asked(server, "SELECT pg_promote()")
    assert is_promoted


def skip_numbers(server: Postgres) -> None:
    """No number that was given out after the moment is given out again."""
    asked(
        server,
        """
        SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, coalesce(last_value, 0) + 100000)
        FROM pg_sequences WHERE schemaname = 'public'
        """,
    )


def lose_what_comes_after(servers: Servers, *, customer: MoneyIn) -> Transfer:
    """A use and the charge that it sets off, then the mistake; the use, as nobody will find it again."""
    customer.use(19)
    customer.work()
    assert (customer.outcomes(), customer.charges()) == ([("succeeded", 25)], 2)
    lost_use = Transfer.objects.get(amount_micros=19 * DOLLAR)
    make_mistake(servers)
    assert not books_balance()
    customer.use(1)
    return lost_use


def take_over(server: Postgres) -> None:
    """It was looked at, and is the product's database from here on."""
    connections.close_all()
    with timed("promotion"):
        promote(server)
    skip_numbers(server)
    assert charging_is_paused(), "From its first second on, it knows that it was restored."
    with timed("check_books"):
        call_command("check_books")


def old_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if ten minutes had passed, for payments and for the switch."""
    monkeypatch.setattr(reconciliation, "ADOPT_AFTER", timedelta(hours=-1))
    let_switch_wait(minutes=10)


def let_switch_wait(*, minutes: float) -> None:
    waited = timedelta(minutes=minutes)
    ChargingSwitch.objects.update(paused_at=F("paused_at") - waited, changed_at=F("changed_at") - waited)


def sweep_on(customer: MoneyIn) -> None:
    """Twice: the first may end the pause, the second sends what has waited for it."""
    customer.sweep()
    customer.pass_time(minutes=2)
    customer.sweep()


@pytest.mark.thorough
@pytest.mark.django_db(transaction=True)
def test_it_stands_as_at_the_moment_and_learns_what_was_paid_since(
    own_servers: Servers, sandbox: RunningSandbox, alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B25: a backup taken while uses are charged, a mistake, a restore to the moment before it; then Stripe says what is missing."""
    app_password = own_servers.state.secrets().app_password
    with working_on(own_servers.first, password=app_password):
        customer = with_history(sandbox)
        assert not charging_is_paused(), "Nothing was restored."
        back_up(own_servers, customer=customer)
        customer.use(1)
        at_the_moment, (moment,) = sums(), asked(own_servers.first, "SELECT clock_timestamp()")
        lost_use = lose_what_comes_after(own_servers, customer=customer)
    # A server that is stopped in good order hands its last segment to the archive.
    own_servers.first.stop()

    with timed("restore to the moment"):
        begin_restore(own_servers, moment=moment)
    with working_on(own_servers.second, password=app_password):
        assert sums() == at_the_moment, "looked at before it is written to"
        take_over(own_servers.second)
        assert not Transfer.objects.filter(pk=lost_use.pk).exists()

        # The platform reports what is missing, and the card is not charged for what it was charged for already.
        customer.use(19)
        customer.work()
        customer.sweep()
        assert (charging_is_paused(), customer.charges()) == (True, 2)
        old_enough(monkeypatch)
        sweep_on(customer)

        assert not charging_is_paused()
        assert (customer.outcomes(), customer.charges()) == ([("succeeded", 25)], 2)
        assert sums()[customer.wallet.pk][0] == at_the_moment[customer.wallet.pk][0] + (25 - 19) * DOLLAR
        assert str(TopUp.objects.latest("created_at").receipt_number) >= "W-100000"
        assert books_balance()
        assert [alert for alert in alerts() if alert in ("charging_paused", "payment_adopted")] == ["charging_paused", "payment_adopted"]


def test_it_charges_nothing_until_the_youngest_payments_are_adopted(
    money_in: MoneyIn, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B25: a standby that took over may lack the last second, and what Stripe has of it is too young to be adopted at once."""
    money_in.give(30)
    money_in.switch_on(money_in.connect_card())
    sandbox.fault("reset_after", match=CHARGE)
    money_in.use(25)
    money_in.work()
    TopUp.objects.all().delete()
    charging_switch()
    ChargingSwitch.objects.update(database="another/1")

    money_in.use(1)
    money_in.work()
    money_in.pass_time(minutes=2)
    money_in.sweep()
    assert (charging_is_paused(), money_in.charges()) == (True, 1)

    old_enough(monkeypatch)
    sweep_on(money_in)
    assert (charging_is_paused(), money_in.charges()) == (False, 1)
    assert sorted(money_in.outcomes()) == [("canceled", 25), ("succeeded", 25)]


def test_it_charges_nothing_until_all_is_at_stripe_that_was_on_its_way(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """B25: a worker of the lost database may be sending a charge at this moment, and Stripe does not know of it yet."""
    money_in.give(30)
    money_in.switch_on(money_in.connect_card())
    charging_switch()
    ChargingSwitch.objects.update(database="another/1")

    money_in.use(25)
    money_in.work()
    for minutes in (1, 1):
        money_in.pass_time(minutes=2)
        let_switch_wait(minutes=minutes)
        money_in.sweep()
        assert (charging_is_paused(), money_in.charges()) == (True, 0)

    let_switch_wait(minutes=1.5)
    sweep_on(money_in)
    assert (charging_is_paused(), money_in.charges()) == (False, 1)
