"""News that was over before its e-mail was due, and is true again: it is told after all, and once."""

import pytest
from django.core import mail

from wallet.models import Notice
from wallet.tests.builders import DOLLAR, paid_top_up
from wallet.tests.news import make_stage, send_all

pytestmark = pytest.mark.django_db


def test_it_tells_what_was_over_and_is_so_again() -> None:
    """A low balance is one notice a day, so the same row has to serve."""
    stage = make_stage()
    stage.use(17)
    paid_top_up(stage.wallet, 90 * DOLLAR)
    Notice.objects.filter(kind=Notice.Kind.RECEIPT).delete()
    low_balances = Notice.objects.filter(kind=Notice.Kind.LOW_BALANCE)
    assert (send_all(), low_balances.get().next_attempt_at) == ([], None)

    stage.use(91)
    assert [message.to for message in send_all()] == [["alice@example.com"]]
    stage.notify(Notice.Kind.LOW_BALANCE, low_balances.get().reference)

    assert (len(send_all()), len(mail.outbox)) == (1, 1), "what was sent is not sent again"
