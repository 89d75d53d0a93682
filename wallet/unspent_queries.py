"""What of a wallet's paid money is left, and to which top-ups it belongs. Reads only; whoever decides on it holds the wallet's lock."""

from collections.abc import Iterator
from uuid import UUID

from django.db.models import BigIntegerField, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from wallet.models import OPEN_REFUND_STATUSES, Dispute, Hold, Refund, RefundRequest, TopUp, Wallet
from wallet.unspent import Paid, unspent_parts

READ_AT_ONCE = 200
_RETURNED = ("failed", "canceled")


def paid_left_micros(wallet: Wallet) -> int:
    """Paid money that is neither spent nor set aside; below zero where more was used than paid.

    Holds for uses count on given credit first, as the charges will.
    """
    refunding = Hold.objects.filter(wallet=wallet, status=Hold.Status.OPEN, purpose=Hold.Purpose.REFUND)
    refunding_micros = int(refunding.aggregate(sum=Sum("amount_micros"))["sum"] or 0)
    held_for_uses = wallet.held_micros - refunding_micros
    return wallet.paid_micros - refunding_micros - max(0, held_for_uses - wallet.promotion_micros)


def unspent_top_ups(wallet: Wallet) -> dict[UUID, int]:
    """The wallet's top-ups that have an unspent part, newest first, with that part in micros. As many as the money that is left fills."""
    return dict(unspent_parts(_newest_first(wallet), left_micros=paid_left_micros(wallet), currency=wallet.currency))


def kept_micros(top_up: TopUp) -> int:
    """What of the top-up did not go back yet, spent or not: Stripe refunds no more."""
    (paid,) = _paid(TopUp.objects.filter(pk=top_up.pk))
    return paid.kept_micros


def _newest_first(wallet: Wallet) -> Iterator[Paid]:
    return _paid(TopUp.objects.filter(wallet=wallet, status=TopUp.Status.SUCCEEDED).order_by("-resolved_at", "-pk"))


def _paid(top_ups: "QuerySet[TopUp]") -> Iterator[Paid]:
    """Each with what of it is gone: refunded, on its way back, or taken by the payer's bank."""
    refunded = _sum_of(Refund.objects.exclude(status__in=_RETURNED), F("amount_micros"))
    on_its_way = _sum_of(RefundRequest.objects.filter(status__in=OPEN_REFUND_STATUSES), F("amount_micros"))
    disputed = _sum_of(Dispute.objects.all(), F("withdrawn_micros") - F("reinstated_micros"))
    rows = top_ups.annotate(gone_micros=refunded + on_its_way + disputed).values_list("pk", "amount_micros", "gone_micros")
    for pk, amount_micros, gone_micros in rows.iterator(chunk_size=READ_AT_ONCE):
        yield Paid(pk, amount_micros, gone_micros)


def _sum_of(rows: "QuerySet[Refund] | QuerySet[RefundRequest] | QuerySet[Dispute]", amount: Combinable) -> Coalesce:
    of_top_up = rows.filter(top_up=OuterRef("pk")).order_by().values("top_up").annotate(sum=Sum(amount)).values("sum")
    return Coalesce(Subquery(of_top_up, output_field=BigIntegerField()), 0)
