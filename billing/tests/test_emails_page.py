"""E-mails: what each owner and admin switches off for themselves, and the level below which the balance is low."""

import pytest
from django.test import Client

from billing.tests.conftest import SignedIn
from wallet.ledger import post
from wallet.models import CHOSEN_KINDS, Notice, Wallet
from wallet.services.notices import notify_admins, wanted_notices
from wallet.tests.builders import DOLLAR, adjustment
from workspaces.models import Membership, Role, User

pytestmark = pytest.mark.django_db
Kind = Notice.Kind


@pytest.fixture
def emails(page: str) -> str:
    return f"{page}/e-mails"


def test_it_shows_every_kind_that_may_be_off_and_says_what_may_not(alices: Client, emails: str) -> None:
    body = alices.get(emails).content.decode()

    for kind in CHOSEN_KINDS:
        assert f'name="{kind}"' in body
        assert kind.label in body
    assert body.count("checked") == len(CHOSEN_KINDS)
    assert "alice@northside.example" in body
    assert "Always sent: receipts" in body
    assert 'name="receipt"' not in body


def test_it_saves_what_was_ticked(alices: Client, alice: User, wallet: Wallet, emails: str) -> None:
    answer = alices.post(emails, {"low_balance": "on", "usage_spike": "on"})
    body = alices.get(emails).content.decode()

    assert (answer.status_code, answer["Location"]) == (302, emails)
    assert wanted_notices(Membership.objects.get(user=alice)) == {Kind.LOW_BALANCE, Kind.USAGE_SPIKE}
    assert "Your choice of e-mails was saved." in body
    assert body.count("checked") == 2
    for kind in (Kind.LOW_BALANCE, Kind.CARD_EXPIRED, Kind.RECEIPT):
        notify_admins(wallet.pk, kind=kind, reference="it")
    assert set(Notice.objects.values_list("kind", flat=True)) == {Kind.LOW_BALANCE, Kind.RECEIPT}


def test_it_switches_off_nothing_that_is_always_told(alices: Client, alice: User, emails: str, wallet: Wallet) -> None:
    """Whatever is sent."""
    alices.post(emails, {"kinds_off": "receipt", "receipt": ""})
    notify_admins(wallet.pk, kind=Kind.RECEIPT, reference="it")

    assert Notice.objects.get().recipient == alice.email


def test_it_saves_an_admins_choice_for_them_alone(bob: User, alice: User, signed_in: SignedIn, emails: str, wallet: Wallet) -> None:
    Membership.objects.filter(user=bob).update(role=Role.ADMIN)

    signed_in(bob).post(emails, {})

    assert wanted_notices(Membership.objects.get(user=bob)) == set()
    assert wanted_notices(Membership.objects.get(user=alice, workspace=wallet.workspace)) == set(CHOSEN_KINDS)


@pytest.mark.parametrize("under", ["", "/low-balance"])
def test_it_is_no_business_of_a_members_or_a_strangers(
    bob: User, charlie: User, elsewhere: Wallet, wallet: Wallet, signed_in: SignedIn, emails: str, under: str
) -> None:
    for person, status in ((bob, 403), (charlie, 404)):
        assert signed_in(person).get(emails).status_code == status
        assert signed_in(person).post(f"{emails}{under}", {"level": "1"}).status_code == status

    wallet.refresh_from_db()
    assert wallet.low_balance_micros is None
    assert wanted_notices(Membership.objects.get(user=bob)) == set(CHOSEN_KINDS)


@pytest.mark.parametrize(("typed", "micros"), [("20", 20 * DOLLAR), ("2.50", 2_500_000), (" 7 ", 7 * DOLLAR), ("", None)])
def test_it_saves_the_level(alices: Client, wallet: Wallet, emails: str, typed: str, micros: int | None) -> None:
    Wallet.objects.update(low_balance_micros=DOLLAR)

    answer = alices.post(f"{emails}/low-balance", {"level": typed})

    wallet.refresh_from_db()
    assert (answer.status_code, answer["Location"], wallet.low_balance_micros) == (302, emails, micros)
    assert f'value="{typed.strip() if "." in typed or not typed else f"{int(typed)}.00"}"' in alices.get(emails).content.decode()


@pytest.mark.parametrize("typed", ["0", "-5", "abc", "1.234", "1e3", "100000000"])
def test_it_says_what_is_wrong_with_a_level(alices: Client, wallet: Wallet, emails: str, typed: str) -> None:
    answer = alices.post(f"{emails}/low-balance", {"level": typed})

    wallet.refresh_from_db()
    assert (answer.status_code, wallet.low_balance_micros) == (422, None)
    assert f'value="{typed}"' in answer.content.decode()
    assert 'aria-invalid="true"' in answer.content.decode()


def test_it_tells_at_once_where_less_than_the_new_level_is_available(alices: Client, wallet: Wallet, emails: str) -> None:
    post(wallet.pk, [adjustment(15 * DOLLAR)])

    alices.post(f"{emails}/low-balance", {"level": "20"})

    assert Notice.objects.get().kind == Kind.LOW_BALANCE


def test_it_is_found_from_billing(alices: Client, page: str, emails: str) -> None:
    assert f'href="{emails}"' in alices.get(page).content.decode()
