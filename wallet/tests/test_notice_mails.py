"""What each e-mail says, in both its parts and in the workspace's zone."""

import re
from collections.abc import Callable

import pytest
from django.conf import settings
from django.db import transaction

from wallet.models import ALWAYS_TOLD, Notice
from wallet.tests import news
from wallet.tests.news import Stage, bodies, send_all

Kind = Notice.Kind
SAID: list[tuple[Callable[[Stage], list[str]], str, str]] = [
    (news.automatic_payment, "Automatic payment: $25.00 added to A&B Calls", "/receipts/"),
    (news.automatic_payment_on_backup, "Automatic payment: $25.00 added to A&B Calls", "/receipts/"),
    (news.automatic_failed, "Automatic payment of $25.00 failed for A&B Calls", "/automatic-payments"),
    (news.suspended_by_the_bank, "Automatic payments are suspended for A&B Calls", "/automatic-payments"),
    (news.suspended_after_three, "Automatic payments are suspended for A&B Calls", "/automatic-payments"),
    (news.suspended_without_card, "Automatic payments are suspended for A&B Calls", "/automatic-payments"),
    (news.suspended_unconfirmed, "Automatic payments are suspended for A&B Calls", "/automatic-payments"),
    (news.suspended_after_dispute, "Automatic payments are suspended for A&B Calls", "/automatic-payments"),
    (news.confirm_payment, "Please confirm $25.00 for A&B Calls", "http://testserver/pay/"),
    (news.monthly_cap, "Automatic payments of A&B Calls reached their monthly cap", "/automatic-payments"),
    (news.daily_cap, "Automatic payments of A&B Calls reached their limit for today", "/automatic-payments"),
    (news.card_expiring, "Visa •••• 4242 of A&B Calls is about to expire", ""),
    (news.card_expired, "Visa •••• 4242 of A&B Calls has expired", ""),
    (news.card_renewed, "Your bank renewed Visa •••• 1881 of A&B Calls", ""),
    (news.low_balance, "Low balance: $3.00 available for A&B Calls", "/add-balance"),
    (news.low_balance_by_hand, "Low balance: $3.00 available for A&B Calls", "/automatic-payments"),
    (news.balance_used_up, "Balance used up: calls of A&B Calls have stopped", "/add-balance"),
    (news.calls_paused, "All calls of A&B Calls are paused", "/add-balance"),
    (news.usage_spike, "Unusual day: A&B Calls used $45.00 so far", ""),
    (news.usage_spike_of_yesterday, "Unusual day: A&B Calls used $45.00", ""),
    (news.webhook_failing, "A webhook of A&B Calls was switched off", "/settings/webhooks/"),
    (news.webhook_gone, "A webhook of A&B Calls was switched off", "/settings/webhooks/"),
]


@pytest.mark.parametrize(("tell", "subject", "way_out"), [pytest.param(*row, id=row[0].__name__) for row in SAID])
def test_it_says_what_happened_and_what_to_do(stage: Stage, tell: Callable[[Stage], list[str]], subject: str, way_out: str) -> None:
    said = tell(stage)

    (message,) = send_all()

    assert (message.subject, message.to) == (subject, ["alice@example.com"])
    text, html = bodies(message)
    links = " ".join(re.findall(r'href="([^"]+)"', str(message.alternatives[0][0])))
    for body in (text, html):
        for phrase in ("A&B Calls", *said):
            assert phrase in body
        assert settings.SUPPORT_EMAIL in body
        assert not re.search(r"[{}]|None|\[\]| {2}\S.*Decimal|\bTrue\b|\bFalse\b", body), "a placeholder that was not filled"
    for addresses in (text, links):
        for address in (stage.page, f"{stage.page}/e-mails"):
            assert address in addresses
        assert way_out in addresses
    assert not re.search(r"\n{4}", text), "holes in the text"


def test_it_has_an_e_mail_for_every_kind_that_there_is(stage: Stage) -> None:
    """The payment link's is its own: test_mailing."""
    told = set()
    for tell, _, _ in SAID:
        sid = transaction.savepoint()
        tell(stage)
        told |= set(Notice.objects.values_list("kind", flat=True))
        transaction.savepoint_rollback(sid)

    assert told | {Kind.RECEIPT, Kind.PAYMENT_LINK} == set(Kind)
    assert Kind.AUTOMATIC_FAILED in ALWAYS_TOLD
