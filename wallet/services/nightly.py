"""The nightly proof: Stripe, the ledger and the cached balances agree, or what does not is listed until somebody has looked.

Runs on demand as well (manage.py reconcile). Not inside a transaction: it asks Stripe for minutes.
"""

from datetime import datetime, timedelta

from django.core.cache import cache
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from wallet import stripe_gateway
from wallet.alerts import alert
from wallet.errors import GatewayError
from wallet.models import Discrepancy, ReconciliationRun
from wallet.services.books import FAULTS_MAX, Fault, check_books, installed_checks
from wallet.services.reconciliation import LOOK_BACK_FAR, Tell, reconcile_since, told
from wallet.services.stripe_balance import Comparison, Unmatched, known_no_more
from workspaces.models import User
from workspaces.services.audit import record

REASON_CHARACTERS_MAX = 500
REFERENCE_CHARACTERS_MAX = 255
PROGRESS_KEPT_SECONDS = 3600
CUT_OFF = "cut off: Stripe gave no answer"


def reconcile(
    look_back: timedelta = LOOK_BACK_FAR, *, tell: Tell = lambda words: None, run: ReconciliationRun | None = None
) -> ReconciliationRun:
    """Bring into step what can be, then compare everything, and list what is left. `run` is a row that was asked for.

    Safe to run at any time, twice, and by two at once. Raises: GatewayError, with the run left unfinished.
    """
    now = timezone.now()
    run = run or ReconciliationRun.objects.create(since=now - look_back)
    try:
        found = _compare(run, look_back, now=now, tell=_also_for_its_page(run, tell))
    except GatewayError:
        cache.set(_progress_key(run), CUT_OFF, PROGRESS_KEPT_SECONDS)
        raise
    return _finish(run, found)


def _compare(run: ReconciliationRun, look_back: timedelta, *, now: datetime, tell: Tell) -> list[Unmatched]:
    """Everything that does not match, and on the run how much was looked at."""
    tell("asking Stripe for payments, refunds and disputes")
    in_step = reconcile_since(look_back, tell=tell)
    run.payments = in_step.payments
    tell("comparing Stripe's balance with the ledger")
    comparison = Comparison(now=now)
    movements = told(stripe_gateway.movements_since(run.since), "comparing Stripe's balance with the ledger", tell)
    compared = [*comparison.unmatched(movements), *comparison.missing(since=run.since)]
    run.movements = comparison.movements
    outcome = check_books(
        installed_checks(),
        faults_max=FAULTS_MAX,
        progress=lambda done, total: tell(f"checking the books: {_share(done, total)}"),
        days_progress=lambda done, total: tell(f"checking the seals of all days: {_share(done, total)}"),
    )
    run.transfers = outcome.transfers
    gone = [known_no_more(row) for row in in_step.gone]
    # Stripe was asked for these by their id, which says more than that its balance lacks them: each is listed once, in those words.
    listed = {(unmatched.kind, unmatched.reference) for unmatched in gone}
    others = [unmatched for unmatched in compared if (unmatched.kind, unmatched.reference) not in listed]
    return [*gone, *others, *(_as_unmatched(fault) for fault in outcome.faults)]


def run_requested(run_id: int) -> None:
    """The worker's part of a run that was asked for on a page. A message that comes twice finds it ended, or runs it again: no harm."""
    run = ReconciliationRun.objects.filter(pk=run_id, finished_at=None).first()
    if run is not None:
        reconcile(timezone.now() - run.since, run=run)


def doing_of(run: ReconciliationRun) -> str:
    """What a run is at, in words; empty where it is not known."""
    return str(cache.get(_progress_key(run), ""))


def is_cut_off(run: ReconciliationRun) -> bool:
    """Whether it has ended without an outcome, as Stripe gave no answer: another may begin."""
    return doing_of(run) == CUT_OFF


def _also_for_its_page(run: ReconciliationRun, tell: Tell) -> Tell:
    """Not on the run's row: while the books are checked, the worker's transaction may write nothing."""

    def tell_both(words: str) -> None:
        tell(words)
        cache.set(_progress_key(run), words, PROGRESS_KEPT_SECONDS)

    return tell_both


def _progress_key(run: ReconciliationRun) -> str:
    return f"reconciliation:{run.pk}"


class DiscrepancyChanged(Exception):
    """A run found it to be another than the one that was explained."""


def explain_discrepancy(discrepancy: Discrepancy, *, seen: str, by: User, explanation: str) -> Discrepancy:
    """A person has looked, and says why it is as it is: it is not listed any more, unless it is found to be another than they saw.

    `seen` is its words as they read them. Raises: DiscrepancyChanged where it has others by now; ValueError without a reason.
    """
    if not 0 < len(explanation.strip()) <= REASON_CHARACTERS_MAX:
        raise ValueError(f"Say in 1 to {REASON_CHARACTERS_MAX} characters why this is as it should be.")
    with transaction.atomic():
        locked = Discrepancy.objects.select_for_update().get(pk=discrepancy.pk)
        if locked.closed_at is None and locked.words != seen:
            raise DiscrepancyChanged("A run has found something else since you opened this page. Read it again before you explain it.")
        if locked.closed_at is None:
            locked.closed_at, locked.explained_by, locked.explanation = timezone.now(), by, explanation.strip()
            locked.save(update_fields=["closed_at", "explained_by", "explanation"])
            record(
                "discrepancy.explained",
                workspace=locked.wallet_id,
                target=f"{locked.kind} {locked.reference}",
                reason=locked.explanation,
                as_staff=True,
            )
    return locked


@transaction.atomic
def _finish(run: ReconciliationRun, found: list[Unmatched]) -> ReconciliationRun:
    # Always in one order, so that two runs that end together never wait for each other in a circle.
    seen = [_list(unmatched) for unmatched in sorted(found, key=lambda unmatched: (unmatched.kind, unmatched.reference))]
    # What another run has found since this one began stays: this one may have looked before it was so.
    gone = Discrepancy.objects.filter(closed_at=None, last_seen_at__lt=run.started_at).exclude(pk__in=seen)
    # What is older than this run looked may be there still: only a person can close it.
    (gone.filter(happened_at__gte=run.since) | gone.filter(happened_at=None)).update(closed_at=Now())
    run.discrepancies = Discrepancy.objects.filter(closed_at=None).count()
    run.finished_at = timezone.now()
    run.save(update_fields=["payments", "movements", "transfers", "discrepancies", "finished_at"])
    if run.discrepancies:
        alert("books_do_not_match", discrepancies=run.discrepancies)
    return run


def _list(unmatched: Unmatched) -> int:
    """The row of it; one that was explained stays explained as long as it is the same, one that had gone by itself is back."""
    row, is_new = Discrepancy.objects.get_or_create(
        kind=unmatched.kind,
        reference=unmatched.reference,
        defaults={
            "words": unmatched.words,
            "wallet_id": unmatched.wallet_id,
            "amount_micros": unmatched.amount_micros,
            "currency": unmatched.currency,
            "happened_at": unmatched.happened_at,
        },
    )
    if not is_new:
        listed = Discrepancy.objects.filter(pk=row.pk)
        # What was explained was what its words said then.
        again = listed.filter(Q(explained_by=None) | ~Q(words=unmatched.words))
        again.update(closed_at=None, explained_by=None, explanation="")
        listed.update(last_seen_at=Now(), words=unmatched.words, amount_micros=unmatched.amount_micros)
    return row.pk


def _as_unmatched(fault: Fault) -> Unmatched:
    where = f"{fault.check}:{fault.wallet or 'all'}:{fault.seq or 0}"
    # One check may find several things wrong with one book: what each is about tells them apart.
    return Unmatched(kind=Discrepancy.Kind.BOOKS, reference=f"{where}:{fault.about}"[:REFERENCE_CHARACTERS_MAX], words=str(fault))


def _share(done: int, total: int) -> str:
    return f"{min(100, 100 * done // max(total, 1))} %"
