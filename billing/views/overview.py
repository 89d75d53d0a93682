"""Settings → Billing: the page itself, its history as it is filtered and grows, and how it brings itself up to date."""

from hashlib import sha256
from typing import Any

from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing.automatic_state import automatic_of
from billing.history import KIND_FILTERS, Query, history, names_offered, period_label, periods, read_query
from billing.pace import burn_per_day, lasts_about
from billing.usage_summary import read_month, summary
from billing.views.rendering import wallet_of
from wallet.models import Wallet
from wallet.queries import kept_cards, open_payment_links, open_top_ups
from workspaces.access import WorkspaceRequest, billing_required
from workspaces.responses import htmx_target


@require_safe
@billing_required
def billing(request: WorkspaceRequest) -> HttpResponse:
    """The whole page; for htmx the history alone, its next rows, or the month that was chosen."""
    wallet, asked = wallet_of(request), request.GET
    part = htmx_target(request)
    if part == "history":
        return render(request, "billing/_history.html", _history(request, wallet, asked))
    if part == "history-more":
        return render(request, "billing/_history_rows.html", _history(request, wallet, asked))
    if part == "usage":
        return render(request, "billing/_usage.html", _usage(request, wallet, asked))
    return render(request, "billing/billing.html", _page(request, wallet, asked))


@require_safe
@billing_required
def refresh(request: WorkspaceRequest) -> HttpResponse:
    """Every part of the page again, for swapping out of band; 204 while nothing has changed since `seen`."""
    wallet = wallet_of(request)
    standing = _standing(wallet)
    if standing["version"] == request.GET.get("seen"):
        return HttpResponse(status=204)
    template = "billing/_refresh_bar.html" if "bar" in request.GET else "billing/_refresh.html"
    # The first transfer brings the history's filters; from then on they stand, with what a person has begun to type into them.
    return render(request, template, _page(request, wallet, request.GET) | {"oob": True, "has_filters": "filters" in request.GET})


def _page(request: WorkspaceRequest, wallet: Wallet, asked: QueryDict) -> dict[str, Any]:
    return {
        "support_email": settings.SUPPORT_EMAIL,
        **_pace(request, wallet),
        **_standing(wallet),
        **_history(request, wallet, asked),
        **_usage(request, wallet, asked),
    }


def _pace(request: WorkspaceRequest, wallet: Wallet) -> dict[str, Any]:
    burn = burn_per_day(wallet, zone=request.workspace.zone)
    return {"pace": lasts_about(wallet.available_micros, burn_micros=burn), "pace_is_unknown": burn is None}


def _standing(wallet: Wallet) -> dict[str, Any]:
    """What can change while the page is open, and a `version` that changes with it."""
    cards, links = list(kept_cards(wallet)), list(open_payment_links(wallet))
    automatic = automatic_of(wallet, cards=cards)
    awaited = bool(links) or open_top_ups(wallet).exists()
    facts = [
        wallet.last_seq,
        wallet.held_micros,
        awaited,
        [(card.pk, card.is_default, card.is_backup, card.refused_at, card.expiry) for card in cards],
        [link.pk for link in links],
        automatic.version,
    ]
    version = sha256(repr(facts).encode()).hexdigest()[:16]
    return {"cards": cards, "links": links, "automatic": automatic, "awaited": awaited, "version": version}


def _history(request: WorkspaceRequest, wallet: Wallet, asked: QueryDict) -> dict[str, Any]:
    zone, query = request.workspace.zone, read_query(asked)
    oldest = asked.get("oldest", "")
    down_to = int(oldest) if oldest.isascii() and oldest.isdigit() and len(oldest) <= 18 else None
    return {
        "wallet": wallet,
        "history": history(wallet, query, zone=zone, down_to_seq=down_to),
        "query": query,
        "names": names_offered(wallet, query) if "before" not in asked else None,
        "chips": _chips(query),
        "periods": periods(query, zone=zone),
        "period": period_label(query, zone=zone),
    }


def _chips(query: Query) -> list[dict[str, Any]]:
    return [
        {"label": known.label, "address": query.address(show=known.slug), "current": known.slug == query.show.slug}
        for known in KIND_FILTERS
    ]


def _usage(request: WorkspaceRequest, wallet: Wallet, asked: QueryDict) -> dict[str, Any]:
    zone = request.workspace.zone
    month = read_month(asked.get("month", ""), zone=zone)
    return {"wallet": wallet, "usage": summary(wallet, month=month, zone=zone)}
