"""check_books compares what the operator's people asked for with what became of it; each difference is found and named."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from wallet.ledger import lock_wallet, post
from wallet.models import Adjustment, Hold, Promotion, PromotionGrant, RefundRequest, TopUp, Wallet
from wallet.services.adjustments import request_adjustment
from wallet.services.books import CHECKS, WalletRange, find_faults
from wallet.services.holds import end_refund_hold, set_aside_for_refund
from wallet.services.promotion_grants import request_promotion
from wallet.services.promotions import grant_promotion
from wallet.services.refund_requests import request_refund
from wallet.services.refunds import apply_refund
from wallet.stripe_objects import RefundState
from wallet.tests.builders import DOLLAR, adjustment, make_wallet, paid_top_up, refund_of
from wallet.tests.staff import new_form, staff

OURS = [check for check in CHECKS if check.name in ("adjustments", "grants", "refunds asked for")]


@dataclass
class Acts:
    """A wallet in which one of everything was done, and one of everything waits."""

    wallet: Wallet
    top_up: TopUp
    adjusted: Adjustment
    granted: PromotionGrant
    refunded: RefundRequest
    refunding: RefundRequest

    def ask(self, model: Any, micros: int) -> Any:
        """One more that waits for its second person."""
        return model.objects.get(wallet=self.wallet, status="waiting", amount_micros=micros)


@pytest.fixture
def acts(db: None) -> Acts:
    wallet, by = make_wallet(), staff("frances")
    top_up = paid_top_up(wallet, 50 * DOLLAR)
    given: dict[str, Any] = {"reason": "r", "by": by}
    adjusted, _ = (
        request_adjustment(wallet, amount_micros=micros, words="w", may_go_below_zero=False, request_id=new_form(), **given)
        for micros in (-5 * DOLLAR, 300 * DOLLAR)
    )
    granted, _ = (
        request_promotion(wallet, amount_micros=micros, words="w", expires_at=None, request_id=new_form(), **given | {"by": staff(name)})
        for name, micros in (("felix", 7 * DOLLAR), ("fiona", 300 * DOLLAR))
    )
    refunded, refunding = (
        request_refund(top_up, amount_micros=micros, request_id=new_form(), **given | {"by": staff(name)})
        for name, micros in (("fred", 4 * DOLLAR), ("faye", 6 * DOLLAR))
    )
    state = RefundState(
        "re_1", "succeeded", 4 * DOLLAR, "usd", str(top_up.payment_intent_id), "", timezone.now(), request_id=str(refunded.pk)
    )
    RefundRequest.objects.filter(pk=refunded.pk).update(status="sending")
    apply_refund(state)
    refunded.refresh_from_db()
    assert find_faults(CHECKS) == []
    return Acts(wallet, top_up, adjusted, granted, refunded, refunding)


def _set(model: Any, pk: object, **changes: Any) -> None:
    model.objects.filter(pk=pk).update(**changes)


def _book_unasked(acts: Acts) -> None:
    key = uuid4()
    post(acts.wallet.pk, [adjustment(DOLLAR, key=f"adjustment:{key}", reference=str(key))])


def _book_unapproved(acts: Acts) -> None:
    waiting = acts.ask(Adjustment, 300 * DOLLAR)
    post(acts.wallet.pk, [adjustment(300 * DOLLAR, key=f"adjustment:{waiting.pk}", reference=str(waiting.pk))])


def _give(acts: Acts, key: object, micros: int) -> None:
    grant_promotion(acts.wallet, amount_micros=micros, reason="w", expires_at=None, idempotency_key=f"grant:{key}")


def _forget_aside(acts: Acts) -> None:
    end_refund_hold(lock_wallet(acts.wallet.pk), key=acts.refunding.hold_key)


def _set_aside(acts: Acts, key: str) -> None:
    set_aside_for_refund(lock_wallet(acts.wallet.pk), amount_micros=2 * DOLLAR, key=key)


def _name_another(acts: Acts) -> None:
    other = refund_of(acts.top_up, DOLLAR)
    _set(RefundRequest, acts.refunded.pk, refund=other)


def _without_constraint(acts: Acts) -> None:
    """A done refund whose amount was changed."""
    _set(RefundRequest, acts.refunded.pk, amount_micros=3 * DOLLAR)


def _move_elsewhere(acts: Acts) -> None:
    _set(RefundRequest, acts.refunding.pk, top_up=paid_top_up(make_wallet(name="Other"), 9 * DOLLAR))


PLANTED: dict[str, tuple[Callable[[Acts], object], str]] = {
    "a booked adjustment that nobody asked for": (_book_unasked, "and the wallet has no such adjustment (adjustments)."),
    "a booked adjustment that waits": (_book_unapproved, "which is waiting and should not have been booked (adjustments)."),
    "an adjustment of another amount": (
        lambda acts: _set(Adjustment, acts.adjusted.pk, amount_micros=-4 * DOLLAR),
        "books −$5.0000 for the adjustment {adjusted}, and should book −$4.0000 (adjustments).",
    ),
    "an adjustment called done": (
        lambda acts: Adjustment.objects.filter(status="waiting").update(
            status="done", needs_second_person=False, decided_by=None, decided_at=None
        ),
        "of $300.0000, which is done and should have been booked (adjustments).",
    ),
    "a promotion that nobody asked for": (lambda acts: _give(acts, uuid4(), DOLLAR), "for a grant that the wallet does not have (grants)."),
    "a promotion that waits": (
        lambda acts: _give(acts, acts.ask(PromotionGrant, 300 * DOLLAR).pk, 300 * DOLLAR),
        "which is waiting (grants).",
    ),
    "a grant of another amount": (
        lambda acts: _set(PromotionGrant, acts.granted.pk, amount_micros=8 * DOLLAR),
        "was given $7.0000 for the grant {granted}, and should have been given $8.0000 (grants).",
    ),
    "a grant that names another's promotion": (
        lambda acts: _set(
            PromotionGrant,
            acts.granted.pk,
            promotion=Promotion.objects.create(
                wallet=acts.wallet, amount_micros=1, remaining_micros=0, reason="r", idempotency_key="k", expires_at=None
            ),
        ),
        "which is done and should have its promotion (grants).",
    ),
    "a refund under way without its money": (
        _forget_aside,
        "has $0.0000 set aside for the refund {refunding}, which is created, and should have $6.0000 (refunds asked for).",
    ),
    "money set aside for no refund": (
        lambda acts: _set_aside(acts, "refund:none"),
        "has $2.0000 set aside as refund:none, and no such refund is under way (refunds asked for).",
    ),
    "money set aside for a refund that is over": (
        lambda acts: Hold.objects.filter(idempotency_key=acts.refunded.hold_key).update(status="open", resolved_at=None),
        "has $4.0000 set aside for the refund {refunded}, which is done, and should have $0.0000 (refunds asked for).",
    ),
    "a refund that names another": (_name_another, "as what became of the refund {refunded} of $4.0000 (refunds asked for)."),
    "a refund of another amount": (_without_constraint, "names re_1 of $4.0000 as what became of the refund {refunded} of $3.0000"),
    "a refund called done that failed": (
        lambda acts: _set(type(acts.refunded.refund), acts.refunded.refund_id, status="failed"),
        "calls the refund {refunded} done, and re_1 is failed (refunds asked for).",
    ),
    "a refund of somebody else's top-up": (_move_elsewhere, "asks for the refund {refunding} of a top-up that is another wallet's"),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_it_finds_and_names(acts: Acts, kind: str) -> None:
    plant, words = PLANTED[kind]

    plant(acts)

    told = [str(fault) for fault in find_faults(OURS)]
    expected = words.format(adjusted=acts.adjusted.pk, granted=acts.granted.pk, refunded=acts.refunded.pk, refunding=acts.refunding.pk)
    assert any(expected in fault for fault in told), told


def test_it_lets_books_that_were_kept_elsewhere_have_adjustments_of_their_own(acts: Acts) -> None:
    post(acts.wallet.pk, [adjustment(DOLLAR, key="opening balance")])

    assert find_faults(CHECKS) == []


def test_it_keeps_to_the_wallets_that_it_is_asked_for(acts: Acts) -> None:
    elsewhere = WalletRange.of(make_wallet(name="Other"))
    for plant, _ in PLANTED.values():
        with transaction.atomic():
            plant(acts)
            assert find_faults(OURS, wallets=elsewhere) == []
            transaction.set_rollback(True)
