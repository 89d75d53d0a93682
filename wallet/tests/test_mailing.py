"""The mails about money: what they say, that each is sent once, and that none is lost to a mail server's bad day."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.mail import EmailMultiAlternatives
from django.template import TemplateDoesNotExist
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.payments import DOLLAR, Alerts, MoneyIn, make_wallet
from wallet.ledger import Entry, post
from wallet.models import Account, Notice, PaymentLink
from wallet.services.checkout import open_checkout
from wallet.services.mailing import ATTEMPTS_MAX, AWAY_KEY, RETRY_AFTER, RETRY_AFTER_MAX, send_notice
from wallet.services.notices import choose_notices, notify_admins
from wallet.services.payment_links import email_payment_link, mark_withdrawn, payment_link_url
from wallet.services.top_ups import charge_top_up
from workspaces.models import Membership, Role, User


@pytest.fixture(autouse=True)
def mail_server_is_back() -> Iterator[None]:
    """What one test says of the mail server is no news to the next."""
    yield
    cache.delete(AWAY_KEY)


def html_of(message: Any) -> str:
    assert isinstance(message, EmailMultiAlternatives)
    ((content, kind),) = message.alternatives
    assert kind == "text/html"
    return str(content)


def add_person(money_in: MoneyIn, email: str, *, role: Role, is_active: bool = True) -> None:
    user = User.objects.create_user(email, "correct horse battery")
    User.objects.filter(pk=user.pk).update(is_active=is_active)
    Membership.objects.create(workspace=money_in.wallet.workspace, user=user, role=role)


def test_it_sends_a_receipt_to_owner_and_admins(money_in: MoneyIn) -> None:
    add_person(money_in, "anna@example.com", role=Role.ADMIN)
    add_person(money_in, "bob@example.com", role=Role.MEMBER)
    add_person(money_in, "gone@example.com", role=Role.ADMIN, is_active=False)
    _, charlie = make_wallet(name="Other", owner="charlie@example.com")
    top_up = charge_top_up(money_in.ask_for_top_up(money_in.connect_card()).pk)
    money_in.work()

    assert sorted(message.to for message in mail.outbox) == [["alice@example.com"], ["anna@example.com"]]
    message = mail.outbox[0]
    assert message.subject == "$20.00 added to Acme Calls"
    address = f"http://testserver/w/{money_in.wallet.workspace.public_id}/settings/billing/receipts/{top_up.receipt_number}"
    for body in (str(message.body), html_of(message)):
        for told in ("$20.00", "Acme Calls", str(top_up.receipt_number), "Visa •••• 4242", address, "support@localhost"):
            assert told in body
    assert charlie.email not in str(message.message())


def test_it_tells_the_balance_of_its_moment(money_in: MoneyIn) -> None:
    """A mail that is sent late does not tell the balance of then."""
    charge_top_up(money_in.ask_for_top_up(money_in.connect_card()).pk)
    entry = Entry(
        debit=Account.WALLET,
        credit=Account.USAGE_REVENUE,
        amount_micros=7 * DOLLAR,
        kind="call",
        reference="call",
        description="Call",
        happened_at=timezone.now(),
        idempotency_key="call",
    )
    post(money_in.wallet.pk, [entry])

    money_in.work()

    assert "Balance after  $20.00" in mail.outbox[0].body


def test_it_tells_the_time_of_the_workspace(money_in: MoneyIn) -> None:
    workspace = money_in.wallet.workspace
    workspace.time_zone = "Asia/Tokyo"
    workspace.save(update_fields=["time_zone"])
    charge_top_up(money_in.ask_for_top_up(money_in.connect_card()).pk)
    money_in.work()

    assert " JST" in mail.outbox[0].body


def test_it_mails_the_link_to_whoever_pays(money_in: MoneyIn) -> None:
    money_in.alice.name = "Alice Archer"
    money_in.alice.save(update_fields=["name"])
    link = money_in.ask_for_link(dollars=50)
    email_payment_link(link, recipient="finance@example.com")
    money_in.work()

    (message,) = mail.outbox
    assert (message.to, message.subject) == (["finance@example.com"], "Acme Calls: please pay $50.00")
    for body in (str(message.body), html_of(message)):
        for told in ("Alice Archer", "$50.00", "Acme Calls", payment_link_url(link)):
            assert told in body
        assert "alice@example.com" not in body


def test_it_mails_a_link_to_connect_a_card(money_in: MoneyIn) -> None:
    link = money_in.ask_for_link(dollars=None)
    email_payment_link(link, recipient="finance@example.com")
    money_in.work()

    (message,) = mail.outbox
    assert message.subject == "Acme Calls: please connect a card"
    for body in (str(message.body), html_of(message)):
        assert "Nothing is charged when you connect it" in body
        assert payment_link_url(link) in body


def test_it_does_not_let_a_name_write_the_mail(money_in: MoneyIn) -> None:
    """S26: text is text in HTML, plain in plain text, and a line break starts no header."""
    workspace = money_in.wallet.workspace
    workspace.name = "A&B <script>alert(1)</script>\nBcc: x@example.com {{ 7 }}"
    workspace.save(update_fields=["name"])
    email_payment_link(money_in.ask_for_link(), recipient="finance@example.com")
    charge_top_up(money_in.ask_for_top_up(money_in.connect_card()).pk)
    money_in.work()

    assert len(mail.outbox) == 2
    for message in mail.outbox:
        assert "\n" not in message.subject
        assert message.recipients() == message.to
        assert "A&B <script>" in message.body
        assert "<script>" not in html_of(message)
        assert "A&amp;B" in html_of(message)
        assert "Bcc" not in message.message()


def test_it_loads_nothing_from_elsewhere(money_in: MoneyIn) -> None:
    """Mail programs show no pictures, and nobody is told that the mail was read."""
    charge_top_up(money_in.ask_for_top_up(money_in.connect_card()).pk)
    money_in.work()

    assert not re.findall(r"<(?:img|link|script|iframe)|url\(|src=", html_of(mail.outbox[0]))


def test_it_sends_each_mail_once(money_in: MoneyIn) -> None:
    charge_top_up(money_in.ask_for_top_up(money_in.connect_card()).pk)
    money_in.work()
    notice = Notice.objects.get()
    for _ in range(3):
        send_notice(notice.pk)
    Notice.objects.update(next_attempt_at=None)
    money_in.deliver()

    assert len(mail.outbox) == 1
    assert (notice.attempts, notice.sent_at is None, notice.next_attempt_at) == (1, False, None)


@pytest.fixture
def notice(money_in: MoneyIn) -> Notice:
    charge_top_up(money_in.ask_for_top_up(money_in.connect_card()).pk)
    money_in.lose_messages()
    return Notice.objects.get()


@pytest.mark.parametrize("fault", [ConnectionRefusedError("no mail server"), SMTPServerDisconnected("gone"), TimeoutError()])
def test_it_tries_again_when_the_mail_server_is_away(money_in: MoneyIn, notice: Notice, fault: OSError) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise fault

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(EmailMultiAlternatives, "send", refuse)
        money_in.sweep()
    notice.refresh_from_db()
    assert (notice.sent_at, notice.attempts, notice.last_error) == (None, 1, str(fault))
    assert money_in.sweep() == [], "not before its time"

    money_in.pass_time(minutes=5)
    cache.delete(AWAY_KEY)
    money_in.sweep()

    notice.refresh_from_db()
    assert len(mail.outbox) == 1
    assert notice.sent_at


@pytest.mark.parametrize(
    ("fault", "tried"),
    [
        (ConnectionRefusedError("no mail server"), 1),
        (TimeoutError(), 1),
        (SMTPRecipientsRefused({"nobody@example.com": (550, b"who?")}), 3),
    ],
)
def test_it_waits_for_an_absent_mail_server_once_not_for_each_mail(
    money_in: MoneyIn, notice: Notice, monkeypatch: pytest.MonkeyPatch, fault: OSError, tried: int
) -> None:
    """Workers have payments to make. Who is refused keeps nobody else's mail waiting."""
    for name in ("anna", "amy"):
        add_person(money_in, f"{name}@example.com", role=Role.ADMIN)
    notify_admins(money_in.wallet.pk, kind=Notice.Kind.RECEIPT, reference=notice.reference)
    tries = []

    def refuse(message: EmailMultiAlternatives) -> int:
        tries.append(message.to)
        raise fault

    monkeypatch.setattr(EmailMultiAlternatives, "send", refuse)
    money_in.sweep()

    assert len(tries) == tried
    assert sum(Notice.objects.values_list("attempts", flat=True)) == tried, "what was not tried is not counted"
    assert not Notice.objects.filter(next_attempt_at__lte=timezone.now()).exists()


def test_it_tries_for_a_weekend() -> None:
    waits = [min(RETRY_AFTER * 2**number, RETRY_AFTER_MAX) for number in range(ATTEMPTS_MAX - 1)]

    assert timedelta(hours=60) < sum(waits, timedelta()) < timedelta(days=3)


def left(membership: Membership) -> None:
    membership.delete()


def became_member(membership: Membership) -> None:
    Membership.objects.filter(pk=membership.pk).update(role=Role.MEMBER)


def was_locked_out(membership: Membership) -> None:
    User.objects.filter(pk=membership.user_id).update(is_active=False)


def wants_none(membership: Membership) -> None:
    choose_notices(membership, wanted=())


@pytest.mark.parametrize("lost", [left, became_member, was_locked_out, wants_none])
def test_it_tells_nobody_who_lost_the_right_to_hear_it(money_in: MoneyIn, lost: Callable[[Membership], None]) -> None:
    """Between the row and the mail may lie hours: a link to confirm a payment is not for who has left."""
    add_person(money_in, "anna@example.com", role=Role.ADMIN)
    notify_admins(money_in.wallet.pk, kind=Notice.Kind.USAGE_SPIKE, reference="2026-07-21", facts={"spent_micros": 9, "usual_micros": 1})
    lost(Membership.objects.get(user__email="anna@example.com"))
    money_in.work()

    assert [message.to for message in mail.outbox] == [["alice@example.com"]]
    assert not Notice.objects.filter(next_attempt_at__isnull=False).exists()


@pytest.mark.parametrize("fault", [OSError("no mail server"), TemplateDoesNotExist("our bug")])
def test_it_gives_a_mail_up_in_the_end_and_tells(money_in: MoneyIn, notice: Notice, alerts: Alerts, fault: Exception) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise fault

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(EmailMultiAlternatives, "send", refuse)
        for _ in range(ATTEMPTS_MAX):
            cache.delete(AWAY_KEY)
            Notice.objects.update(next_attempt_at=timezone.now())
            try:
                send_notice(notice.pk)
            except TemplateDoesNotExist:
                continue
    assert alerts() == []
    Notice.objects.update(next_attempt_at=timezone.now())
    send_notice(notice.pk)

    notice.refresh_from_db()
    assert (notice.sent_at, notice.next_attempt_at, notice.attempts) == (None, None, ATTEMPTS_MAX)
    assert alerts() == ["notice_given_up"]


def test_it_sends_again_what_a_killed_worker_may_not_have_sent(money_in: MoneyIn, notice: Notice) -> None:
    """Twice beats never; both carry one Message-ID, so that most mail programs show one."""
    send_notice(notice.pk)
    Notice.objects.update(sent_at=None, next_attempt_at=timezone.now() - timedelta(seconds=1))
    send_notice(notice.pk)

    first, second = (message.message()["Message-ID"] for message in mail.outbox)
    assert first == second == f"<notice-{notice.pk}@testserver>"


def test_it_does_not_mail_a_link_that_was_withdrawn_meanwhile(money_in: MoneyIn, alerts: Alerts) -> None:
    link = money_in.ask_for_link()
    email_payment_link(link, recipient="finance@example.com")
    mark_withdrawn(link)
    money_in.work()

    notice = Notice.objects.get()
    assert (mail.outbox, notice.sent_at, notice.next_attempt_at, alerts()) == ([], None, None, [])


def test_it_does_not_mail_a_link_that_was_paid_meanwhile(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link()
    email_payment_link(link, recipient="finance@example.com")
    money_in.lose_messages()
    sandbox.pay_checkout(open_checkout(link))
    money_in.deliver()
    money_in.sweep()

    assert [message.to for message in mail.outbox] == [["alice@example.com"]]
    assert PaymentLink.objects.get().used_at


@pytest.mark.parametrize("behaviour", ["succeeds", "insufficient_funds"])
def test_it_mails_a_link_once_the_charge_that_covers_it_has_ended(money_in: MoneyIn, behaviour: str) -> None:
    """Nobody need pay while the card is charged. Asked for before that or during it, the mail waits, and waiting is no failed attempt."""
    card = money_in.connect_card(behaviour=behaviour)
    money_in.give(30)
    money_in.switch_on(card)
    link = money_in.ask_for_link(dollars=40)
    email_payment_link(link, recipient="before@example.com")
    money_in.lose_messages()
    money_in.use(25)
    email_payment_link(link, recipient="meanwhile@example.com")
    money_in.lose_messages()
    for notice in Notice.objects.all():
        send_notice(notice.pk)
    assert (mail.outbox, set(Notice.objects.values_list("attempts", flat=True))) == ([], {0})

    money_in.pass_time(seconds=61)
    money_in.sweep()
    money_in.pass_time(seconds=61)
    money_in.sweep()

    assert {"before@example.com", "meanwhile@example.com"} <= {to for message in mail.outbox for to in message.to}
    assert Notice.objects.filter(sent_at=None).count() == 0
