"""Who gets which e-mail: owner and admins, each as they chose, and what is about money taken whatever they chose."""

import pytest
from django.db import IntegrityError

from wallet.models import CHOSEN_KINDS, Notice, NoticeChoice, Wallet
from wallet.services.notices import choose_notices, notify_admins, wanted_notices
from wallet.tests.builders import make_wallet
from workspaces.models import Membership, Role, User, Workspace

pytestmark = pytest.mark.django_db
Kind = Notice.Kind


def member(workspace: Workspace, name: str, *, role: Role) -> Membership:
    user, _ = User.objects.get_or_create(email=f"{name}@example.com")
    return Membership.objects.create(workspace=workspace, user=user, role=role)


@pytest.fixture
def alice(wallet: Wallet) -> Membership:
    return member(wallet.workspace, "alice", role=Role.OWNER)


@pytest.fixture
def anna(wallet: Wallet) -> Membership:
    member(wallet.workspace, "bob", role=Role.MEMBER)
    return member(wallet.workspace, "anna", role=Role.ADMIN)


def told(wallet: Wallet, kind: Notice.Kind) -> list[str]:
    notify_admins(wallet.pk, kind=kind, reference="it")
    return sorted(
        address.partition("@")[0] for address in Notice.objects.filter(kind=kind, wallet=wallet).values_list("recipient", flat=True)
    )


def test_it_tells_owner_and_admins_of_all_until_they_choose(wallet: Wallet, alice: Membership, anna: Membership) -> None:
    assert all(told(wallet, kind) == ["alice", "anna"] for kind in Kind)
    assert wanted_notices(alice) == set(CHOSEN_KINDS)


def test_it_tells_each_what_they_chose(wallet: Wallet, alice: Membership, anna: Membership) -> None:
    choose_notices(alice, wanted={Kind.CALLS_PAUSED})
    choose_notices(anna, wanted=set(CHOSEN_KINDS) - {Kind.CALLS_PAUSED})

    assert (told(wallet, Kind.CALLS_PAUSED), told(wallet, Kind.LOW_BALANCE)) == (["alice"], ["anna"])
    assert wanted_notices(alice) == {Kind.CALLS_PAUSED}


def test_it_chooses_for_one_workspace_alone(wallet: Wallet, alice: Membership) -> None:
    other = make_wallet(name="Other")
    member(other.workspace, "alice", role=Role.ADMIN)

    choose_notices(alice, wanted=())

    assert (told(wallet, Kind.LOW_BALANCE), told(other, Kind.LOW_BALANCE)) == ([], ["alice"])


def test_it_always_tells_of_money_taken(wallet: Wallet, alice: Membership) -> None:
    choose_notices(alice, wanted=())

    for kind in (Kind.RECEIPT, Kind.AUTOMATIC_PAYMENT, Kind.AUTOMATIC_FAILED, Kind.CONFIRM_PAYMENT):
        assert told(wallet, kind) == ["alice"]
    with pytest.raises(IntegrityError):
        NoticeChoice.objects.update(kinds_off=[Kind.RECEIPT])


def test_it_forgets_the_choice_with_the_membership(alice: Membership) -> None:
    choose_notices(alice, wanted=())

    alice.delete()

    assert not NoticeChoice.objects.exists()
