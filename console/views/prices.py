"""Price lists: read, exported, and published after a look at what would change."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from console.forms import PublishForm, SheetForm
from console.rendering import console_page
from usage.errors import PriceRefusal, PricesChanged, PriceSheetInvalid
from usage.models import Rate, RateCard
from usage.services.price_sheets import SheetDiff, compare_sheet, publish_sheet, read_sheet, sheet_lines
from usage.services.prices import Terms

CARDS_SHOWN = 200
RATES_SHOWN = 500
CHANGES_SHOWN = 500


def show_cards(request: HttpRequest) -> HttpResponse:
    """Every card, the defaults first."""
    now = timezone.now()
    in_force = Q(rates__valid_from__lte=now) & (Q(rates__valid_until=None) | Q(rates__valid_until__gt=now))
    planned = Q(rates__valid_from__gt=now) & (Q(rates__valid_until=None) | Q(rates__valid_until__gt=now))
    cards = RateCard.objects.select_related("workspace").annotate(
        in_force=Count("rates", filter=in_force), planned=Count("rates", filter=planned)
    )
    own_last = cards.order_by("workspace_id", "currency", "pk")
    ordered = [*own_last.filter(workspace=None), *own_last.exclude(workspace=None)[:CARDS_SHOWN]]
    return console_page(request, "prices.html", {"cards": ordered}, title="Prices")


def show_card(request: HttpRequest, card_id: int) -> HttpResponse:
    """What is in force and planned, and the form of a new list."""
    return _card_page(request, _found(card_id), SheetForm())


def _card_page(request: HttpRequest, card: RateCard, form: SheetForm, *, faults: Sequence[object] = (), status: int = 200) -> HttpResponse:
    now = timezone.now()
    standing = Rate.objects.filter(Q(valid_until=None) | Q(valid_until__gt=now), card=card).select_related("meter")
    rates = standing.order_by("meter_id", "prefix", "valid_from")[:RATES_SHOWN]
    context = {"card": card, "rates": rates, "shown": RATES_SHOWN, "form": form, "faults": faults, "now": now}
    return console_page(request, "price_card.html", context, title=card.name, status=status)


def export_sheet(request: HttpRequest, card_id: int) -> StreamingHttpResponse:
    """As CSV; read back it changes nothing."""
    card, now = _found(card_id), timezone.now()
    answer = StreamingHttpResponse(sheet_lines(card, at=now), content_type="text/csv; charset=utf-8")
    owner = card.workspace.public_id if card.workspace else "default"
    answer["Content-Disposition"] = f'attachment; filename="prices-{owner}-{card.currency}-{now:%Y-%m-%d}.csv"'
    return answer


@require_POST
def import_sheet(request: HttpRequest, card_id: int) -> HttpResponse:
    """The dry run: nothing changes."""
    card, form = _found(card_id), SheetForm(request.POST, request.FILES)
    if not form.is_valid():
        return _card_page(request, card, form, status=422)
    given = form.cleaned_data
    try:
        terms = read_sheet(given["sheet"])
    except PriceSheetInvalid as error:
        return _card_page(request, card, form, faults=error.faults, status=422)
    diff = compare_sheet(card, terms, at=given["valid_from"] or timezone.now())
    publishing = PublishForm(initial={**given, "seen": diff.digest})
    return _diff_page(request, card, terms, diff, publishing, valid_from=given["valid_from"], ends_others=given["ends_others"])


def _diff_page(
    request: HttpRequest,
    card: RateCard,
    terms: Sequence[Terms],
    diff: SheetDiff,
    form: PublishForm,
    *,
    valid_from: datetime | None,
    ends_others: bool,
    status: int = 200,
) -> HttpResponse:
    context = {
        "card": card,
        "form": form,
        "count": len(terms),
        "diff": diff,
        "changes": [
            ("Changed", diff.changed[:CHANGES_SHOWN], len(diff.changed)),
            ("New", diff.added[:CHANGES_SHOWN], len(diff.added)),
            ("Ended" if ends_others else "Not in the sheet: stay as they are", diff.not_named[:CHANGES_SHOWN], len(diff.not_named)),
        ],
        "changes_nothing": not (diff.changed or diff.added or (ends_others and diff.not_named)),
        "valid_from": valid_from,
        "ends_others": ends_others,
    }
    return console_page(request, "price_diff.html", context, title=f"Dry run: {card.name}", status=status)


@require_POST
def publish(request: HttpRequest, card_id: int) -> HttpResponse:
    """Puts the list in force, if it still does what the dry run showed."""
    card, form = _found(card_id), PublishForm(request.POST)
    if not form.is_valid() and set(form.errors) - {"reason"}:
        return _card_page(request, card, SheetForm(request.POST), status=422)
    given = form.cleaned_data
    try:
        terms = read_sheet(given["sheet"])
        diff = compare_sheet(card, terms, at=given["valid_from"] or timezone.now())
        if not form.errors:
            starts, ends_others, reason = given["valid_from"], given["ends_others"], given["reason"]
            diff = publish_sheet(card, terms, valid_from=starts, ends_others=ends_others, reason=reason, seen=given["seen"])
            messages.success(request, f"{len(diff.changed)} changed, {len(diff.added)} new. They stand in the audit log.")
            return redirect("admin:console_price_card", card.pk)
    except PriceSheetInvalid as error:
        return _card_page(request, card, SheetForm(request.POST), faults=error.faults, status=422)
    except PricesChanged:
        diff = compare_sheet(card, terms, at=given["valid_from"] or timezone.now())
    except PriceRefusal as error:
        messages.error(request, str(error))
        return redirect("admin:console_price_card", card.pk)
    if diff.digest != given["seen"]:
        messages.warning(request, "The prices have changed since you looked. This is what the list would do now.")
        form = PublishForm(initial={**given, "seen": diff.digest})
    return _diff_page(request, card, terms, diff, form, valid_from=given["valid_from"], ends_others=given["ends_others"], status=422)


def _found(card_id: int) -> RateCard:
    return get_object_or_404(RateCard.objects.select_related("workspace"), pk=card_id)
