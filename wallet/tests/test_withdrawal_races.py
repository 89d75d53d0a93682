"""A link that is withdrawn while it is being paid: both finish, whoever was first."""

import threading
import time

import pytest
from django.db import transaction
from django.utils import timezone

from wallet.models import Origin, PaymentLink, TopUp
from wallet.services.payment_links import mark_withdrawn, request_payment_link
from wallet.services.settlement import settle_payment
from wallet.tests.builders import DOLLAR, make_wallet, payment_of
from workspaces.tests.threads import at_once, errors

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("races")]


def test_it_does_not_wait_in_a_circle_when_a_link_is_withdrawn_while_it_is_paid() -> None:
    wallet = make_wallet()
    link = request_payment_link(wallet, purpose=PaymentLink.Purpose.PAY, amount_micros=20 * DOLLAR, request_id="form", requested_by=None)
    top_up = TopUp.objects.create(
        wallet=wallet,
        origin=Origin.PAYMENT_LINK,
        amount_micros=20 * DOLLAR,
        request_id="link",
        payment_link=link,
        next_check_at=timezone.now(),
    )
    has_top_up = threading.Event()

    def pay() -> None:
        with transaction.atomic():
            TopUp.objects.select_for_update().get(pk=top_up.pk)
            has_top_up.set()
            # Long enough for the other to have taken what it takes before it waits for the top-up.
            time.sleep(0.5)
            settle_payment(payment_of(top_up))

    def withdraw() -> None:
        assert has_top_up.wait(10)
        mark_withdrawn(link)

    assert errors(at_once([pay, withdraw])) == []

    link.refresh_from_db()
    assert link.used_at is not None
    assert link.withdrawn_at is None
