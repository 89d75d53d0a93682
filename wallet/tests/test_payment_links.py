"""Payment links: what the token is and is not, how a link stands, what ends it."""

import re
from base64 import urlsafe_b64decode
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.payments import DOLLAR, Alerts, MoneyIn, make_wallet
from wallet.errors import AmountOutOfRange, IdempotencyConflict, LinkUnusable, WalletClosed
from wallet.models import Notice, PaymentLink, TopUp, Wallet
from wallet.money import InexactAmount, currency_of
from wallet.services.checkout import open_checkout, withdraw_payment_link
from wallet.services.payment_links import (
    DECLINES_MAX,
    LINK_LIFETIME,
    LinkState,
    email_payment_link,
    find_payment_link,
    link_state,
    payment_link_token,
    payment_link_url,
    request_payment_link,
    resend_payment_link,
)

Purpose = PaymentLink.Purpose


@pytest.fixture
def wallet(db: None) -> Wallet:
    wallet, _ = make_wallet(name="Acme Calls", owner="alice@example.com")
    return wallet


def ask(wallet: Wallet, *, micros: int | None = 20 * DOLLAR, request_id: str = "") -> PaymentLink:
    purpose = Purpose.PAY if micros is not None else Purpose.CONNECT_CARD
    return request_payment_link(wallet, purpose=purpose, amount_micros=micros, request_id=request_id or uuid4().hex, requested_by=None)


# ---------------------------------------------------------------- the token
def test_it_makes_tokens_of_256_bits_that_have_nothing_in_common(wallet: Wallet) -> None:
    tokens = [payment_link_token(ask(wallet)) for _ in range(50)]

    assert len(set(tokens)) == 50
    for token in tokens:
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
        assert len(urlsafe_b64decode(token + "=")) == 32
    assert len({token[:4] for token in tokens}) > 40


def test_it_stores_only_the_tokens_hash(wallet: Wallet) -> None:
    """A stolen copy of the database opens no link."""
    link = ask(wallet)
    token = payment_link_token(link)

    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(link)::text FROM wallet_paymentlink AS link WHERE id = %s", [link.pk])
        (row,) = cursor.fetchone()

    assert token not in row
    assert sha256(token.encode()).hexdigest() in row


def test_it_finds_a_link_by_its_token_and_by_nothing_else(wallet: Wallet) -> None:
    """S28: whatever is not the token is one and the same refusal."""
    link = ask(wallet)
    token = payment_link_token(link)

    assert find_payment_link(token) == link
    said = set()
    for wrong in (token[:-1], token + "A", token.swapcase(), str(link.pk), link.token_sha256, "", "x" * 5000, "☃", "\x00", uuid4().hex):
        with pytest.raises(LinkUnusable) as caught:
            find_payment_link(wrong)
        said.add(str(caught.value))
    assert len(said) == 1


def test_it_derives_the_same_token_again(wallet: Wallet) -> None:
    """The owner may be shown the QR code again although the token was never kept."""
    link = ask(wallet)

    assert payment_link_token(link) == payment_link_token(PaymentLink.objects.get(pk=link.pk))
    assert payment_link_url(link) == f"http://testserver/pay/{payment_link_token(link)}"


def test_it_keeps_links_alive_while_the_key_is_rotated(wallet: Wallet, settings: Any) -> None:
    link, old_key = ask(wallet), settings.SECRET_KEY
    token = payment_link_token(link)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a-new-key-" * 6, [old_key]
    assert payment_link_token(link) == token
    assert find_payment_link(token) == link
    newer = ask(wallet)

    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(LinkUnusable):
        payment_link_token(link)
    assert find_payment_link(token) == link, "who holds the token may still pay"
    assert find_payment_link(payment_link_token(newer)) == newer


def test_it_makes_other_tokens_under_another_key(wallet: Wallet, settings: Any) -> None:
    link = ask(wallet)
    token = payment_link_token(link)
    settings.SECRET_KEY = "a-new-key-" * 6

    PaymentLink.objects.filter(pk=link.pk).update(token_sha256="0" * 64)
    with pytest.raises(LinkUnusable):
        payment_link_token(PaymentLink.objects.get(pk=link.pk))
    with pytest.raises(LinkUnusable):
        find_payment_link(token)


# ---------------------------------------------------------------- asked for
def test_it_answers_the_same_request_with_the_same_link(wallet: Wallet) -> None:
    assert ask(wallet, request_id="form-1") == ask(wallet, request_id="form-1")
    assert PaymentLink.objects.count() == 1


@pytest.mark.parametrize("other", [30 * DOLLAR, None])
def test_it_refuses_the_same_request_for_something_else(wallet: Wallet, other: int | None) -> None:
    ask(wallet, request_id="form-1")

    with pytest.raises(IdempotencyConflict):
        ask(wallet, micros=other, request_id="form-1")

    assert PaymentLink.objects.count() == 1


def test_it_keeps_requests_of_two_wallets_apart(wallet: Wallet) -> None:
    other, _ = make_wallet(name="Other", owner="bob@example.com")

    assert ask(wallet, request_id="form-1") != ask(other, request_id="form-1", micros=30 * DOLLAR)


@pytest.mark.parametrize("currency", ["usd", "jpy", "bhd", "mxn"])
def test_it_holds_to_the_bounds_of_the_currency(db: None, currency: str) -> None:
    wallet, _ = make_wallet(name="Acme Calls", owner="alice@example.com", currency=currency)
    known = currency_of(currency)

    for within in (known.top_up_least_micros, known.top_up_most_micros):
        assert ask(wallet, micros=within).amount_micros == within
    for outside in (0, -1, known.top_up_least_micros - known.minor_micros, known.top_up_most_micros + known.minor_micros, 10**18):
        with pytest.raises(AmountOutOfRange):
            ask(wallet, micros=outside)
    with pytest.raises(InexactAmount):
        ask(wallet, micros=known.top_up_least_micros + 1)


def test_it_makes_no_link_for_a_closed_wallet(wallet: Wallet) -> None:
    Wallet.objects.update(closed_at=timezone.now())

    with pytest.raises(WalletClosed):
        ask(wallet)


# ---------------------------------------------------------------- how it stands
def test_it_tells_how_a_link_stands(wallet: Wallet) -> None:
    link = ask(wallet)
    assert link_state(link) is LinkState.OPEN
    assert timedelta(0) <= timezone.now() + LINK_LIFETIME - link.expires_at < timedelta(minutes=1)

    now = timezone.now()
    assert link_state(PaymentLink(pk=link.pk, expires_at=now)) is LinkState.EXPIRED
    assert link_state(PaymentLink(pk=link.pk, expires_at=link.expires_at, withdrawn_at=now)) is LinkState.WITHDRAWN
    assert link_state(PaymentLink(pk=link.pk, expires_at=now, withdrawn_at=now, used_at=now)) is LinkState.USED


@pytest.mark.parametrize("status", [TopUp.Status.PROCESSING, TopUp.Status.MANUAL_REVIEW])
def test_it_lets_nobody_pay_again_while_a_payment_has_no_end(wallet: Wallet, status: TopUp.Status) -> None:
    link = ask(wallet)
    TopUp.objects.create(
        wallet=wallet, origin="payment_link", amount_micros=20 * DOLLAR, payment_link=link, request_id="link:1", status=status
    )

    assert link_state(link) is LinkState.PROCESSING
    with pytest.raises(LinkUnusable):
        open_checkout(link)


def test_it_opens_no_session_for_a_link_that_is_over(wallet: Wallet) -> None:
    for over in ({"expires_at": timezone.now()}, {"withdrawn_at": timezone.now()}, {"used_at": timezone.now()}):
        link = ask(wallet)
        PaymentLink.objects.filter(pk=link.pk).update(**over)

        with pytest.raises(LinkUnusable):
            open_checkout(link)


def test_it_opens_no_session_for_a_wallet_that_was_closed_meanwhile(wallet: Wallet) -> None:
    link = ask(wallet)
    Wallet.objects.update(closed_at=timezone.now())

    with pytest.raises(LinkUnusable):
        open_checkout(link)


def test_it_takes_a_link_for_withdrawn_once_its_key_is_gone(money_in: MoneyIn, sandbox: RunningSandbox, settings: Any) -> None:
    """Its address can be told to nobody any more, and whoever has it would be led nowhere. As long as the former key is kept it works."""
    link, former = money_in.ask_for_link(), settings.SECRET_KEY
    path = f"/pay/{payment_link_token(link)}"
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "k" * 50, [former]
    assert link_state(link) is LinkState.OPEN
    assert open_checkout(link)

    settings.SECRET_KEY_FALLBACKS = []

    assert link_state(link) is LinkState.WITHDRAWN
    assert (money_in.client.get(path).status_code, money_in.client.post(path).status_code) == (404, 404)
    assert withdraw_payment_link(link) is LinkState.WITHDRAWN
    assert [session["status"] for session in sandbox.state()["checkout_sessions"]] == ["expired"]


# ---------------------------------------------------------------- card testing
def test_it_closes_a_link_after_ten_declined_cards(money_in: MoneyIn, sandbox: RunningSandbox, alerts: Alerts) -> None:
    """faults: 17, S29: and ends its session; who is at it gets no further try."""
    link = money_in.ask_for_link()
    address = open_checkout(link)
    for number in range(DECLINES_MAX):
        assert link_state(PaymentLink.objects.get()) is LinkState.OPEN, number
        assert sandbox.pay_checkout(address, card="4000000000000002").status == 402
        money_in.deliver()

    closed = PaymentLink.objects.get()
    assert (closed.declines, link_state(closed)) == (DECLINES_MAX, LinkState.WITHDRAWN)
    assert alerts() == ["payment_link_closed_after_declines"]
    assert sandbox.pay_checkout(address).status == 410


def test_it_counts_a_decline_once_however_often_it_is_told(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link()), card="4000000000000002")
    (event,) = money_in.events("payment_intent.payment_failed")
    for _ in range(3):
        money_in.post(event)
        money_in.work()

    assert PaymentLink.objects.get().declines == 1


# ---------------------------------------------------------------- mailed
def test_it_mails_an_open_link_once_to_each_address(wallet: Wallet) -> None:
    link = ask(wallet)
    for recipient in ("finance@example.com", "finance@example.com", "cfo@example.com"):
        email_payment_link(link, recipient=recipient)

    assert sorted(Notice.objects.values_list("recipient", flat=True)) == ["cfo@example.com", "finance@example.com"]


def test_it_mails_no_link_that_is_over(wallet: Wallet) -> None:
    link = ask(wallet)
    link.expires_at = timezone.now()

    with pytest.raises(LinkUnusable):
        email_payment_link(link, recipient="finance@example.com")

    assert not Notice.objects.exists()


def test_it_does_not_pretend_to_mail_a_link_where_its_form_named_another_address_before(wallet: Wallet) -> None:
    link = ask(wallet)
    for _ in range(2):
        resend_payment_link(link, recipient="pat@example.com", request_id="form")

    with pytest.raises(IdempotencyConflict):
        resend_payment_link(link, recipient="finance@example.com", request_id="form")

    assert list(Notice.objects.values_list("recipient", flat=True)) == ["pat@example.com"]
