"""manage.py check_books: one line and 0 where all holds, the first fault and 1 where not, 2 where it could not be found out."""

import os
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests import servers
from tests.environment import product_environment
from wallet.models import Wallet
from wallet.services.seals import seal_days
from wallet.tests.builders import charge, make_wallet
from wallet.tests.full_book import make_book_elsewhere, make_full_book
from wallet_billing.local.product import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


def told(*arguments: str) -> str:
    """What the command prints."""
    out = StringIO()
    call_command("check_books", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> tuple[int, str, str]:
    """Its exit status, its last words, and what it printed before."""
    out = StringIO()
    with pytest.raises(CommandError) as refusal:
        call_command("check_books", *arguments, stdout=out)
    return refusal.value.returncode, str(refusal.value), out.getvalue()


def forge_balance(wallet: Wallet) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(balance_micros=1)


def test_it_says_in_one_line_that_the_books_balance() -> None:
    make_full_book()
    make_book_elsewhere()

    assert told() == "books balance: 2 wallets, 14 transfers\n"


def test_it_says_so_of_empty_books() -> None:
    assert told() == "books balance: 0 wallets, 0 transfers\n"


def test_it_looks_at_one_workspace_alone() -> None:
    wallet, forged = make_wallet(), make_wallet()
    charge(wallet, 1)
    forge_balance(forged)

    assert told("--wallet", wallet.workspace.public_id) == "books balance: 1 wallet, 1 transfer\n"


def test_it_adds_up_the_accounts() -> None:
    make_full_book()

    lines = [line.split() for line in told("--accounts").splitlines()]

    assert ["USD", "write_offs", "+$20.0000"] in lines
    assert ["USD", "stripe", "−$20.0000"] in lines


def test_it_names_the_first_fault() -> None:
    first, second = make_wallet(), make_wallet()
    forge_balance(first)
    forge_balance(second)

    status, words, printed = refused()

    assert status == 1
    assert words == (
        f"The books do not balance. Wallet {first.workspace.public_id} says that its balance is $0.000001, and should say $0.0000: "
        "so much its rows add up to (sums)."
    )
    assert printed == ""


def test_it_lists_every_fault() -> None:
    forged = [make_wallet(), make_wallet()]
    for wallet in forged:
        forge_balance(wallet)

    status, words, printed = refused("--all")

    assert (status, words) == (1, "The books do not balance: 2 faults.")
    assert [line.split()[1] for line in printed.splitlines()] == [wallet.workspace.public_id for wallet in forged]


def test_it_cannot_check_a_workspace_that_there_is_not() -> None:
    status, words, _ = refused("--wallet", "ws_nobody")

    assert (status, words) == (2, "No workspace with the public id 'ws_nobody' has a wallet.")


def test_it_shows_progress_only_when_somebody_watches(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallet.management.progress.ProgressLine.PAUSE_SECONDS", 0)
    make_full_book()
    seal_days()

    told()
    assert capsys.readouterr().err == ""

    told("--progress")
    shown = capsys.readouterr().err
    assert "checking the books: 100 %" in shown
    assert "checking the seals of all days: 100 %" in shown


def run(database_url: str) -> subprocess.CompletedProcess[str]:
    """The command as an operator runs it."""
    environment = product_environment(
        database_url=database_url, redis_url="redis://127.0.0.1:9", site_url="http://testserver", mail_folder="/nowhere"
    )
    environment["DJANGO_SETTINGS_MODULE"] = "wallet_billing.settings"
    command = [sys.executable, "manage.py", "check_books"]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=False, capture_output=True, text=True)


def test_it_tells_scripts_by_its_exit_status() -> None:
    wallet = make_wallet()
    database_url = servers.provide().database_url(servers.worker_database())

    right = run(database_url)
    forge_balance(wallet)
    wrong = run(database_url)
    unknown = run("postgres://wallet_app:x@127.0.0.1:9/wallet")

    statuses: list[Any] = [done.returncode for done in (right, wrong, unknown)]
    assert statuses == [0, 1, 2], (right.stderr, wrong.stderr, unknown.stderr)
    assert right.stderr == ""
    assert "Traceback" not in wrong.stderr + unknown.stderr
    assert "The books could not be checked" in unknown.stderr
