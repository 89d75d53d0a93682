"""A closing that was given up and is asked for anew: what the first one gave back was given back."""

from tests.faults.refunds import GivingBack
from tests.payments import DOLLAR
from wallet.models import WalletClosing
from wallet.services.closing import continue_closing, request_closing
from wallet.services.second_person import withdraw
from wallet.tests.builders import paid_top_up
from wallet.tests.staff import new_form

Status = WalletClosing.Status


def ask(office: GivingBack) -> WalletClosing:
    return request_closing(office.money_in.wallet, reason="They go elsewhere", request_id=new_form(), by=office.frances)


def test_it_counts_what_a_closing_gave_back_before_it_was_withdrawn(office: GivingBack) -> None:
    """100 dollars in a day are one person's to give back: in several closings as well as in one."""
    office.paid(80)
    closing = continue_closing(ask(office).pk)
    office.money_in.work()
    # Money that did arrive is credited, also after the end.
    paid_top_up(office.money_in.wallet, 50 * DOLLAR)
    assert continue_closing(closing.pk).status == Status.WAITING
    withdraw(WalletClosing, closing.pk, by=office.frances)

    anew = continue_closing(ask(office).pk)
    office.money_in.work()

    assert (anew.status, anew.amount_micros, office.at_stripe()) == (Status.WAITING, 50 * DOLLAR, [(8000, "succeeded")])
