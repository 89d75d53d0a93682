"""Whether a long history makes anything slow: pages and ingest with ten thousand transfers, and with ten million."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median

from django.conf import settings
from django.db import connection
from django.test import Client as Browser

from bench.load import Client, Request, send_all
from bench.stage import Stage, batch
from wallet.models import Wallet
from workspaces.models import Membership, Role, User

SMALL_ROWS = 10_000
LARGE_ROWS = int(os.environ.get("BENCH_ROWS", "10000000"))
CHUNK_ROWS = 250_000
PAGES, BATCHES = 40, 30
"""How often each is measured, before and after."""


def measure_growth(stage: Stage, make_client: Callable[[], Client], say: Callable[[str], None]) -> dict[str, float]:
    """Seconds with the large history over seconds with the small one, medians; 1 is no difference."""
    wallet = stage.wallets[1]
    cookies = _signed_in(wallet)
    _grow(wallet, to_rows=SMALL_ROWS, say=say)
    page_before, ingest_before = _page(wallet, cookies, make_client), _ingest(wallet, make_client)
    _grow(wallet, to_rows=LARGE_ROWS, say=say)
    page_after, ingest_after = _page(wallet, cookies, make_client), _ingest(wallet, make_client)
    return {
        "growth_rows": LARGE_ROWS,
        "page_growth_ratio": page_after / page_before,
        "ingest_growth_ratio": ingest_after / ingest_before,
        "page_ms": page_after * 1_000,
    }


def _page(wallet: Wallet, cookies: str, make_client: Callable[[], Client]) -> float:
    path = f"/w/{wallet.workspace.public_id}/settings/billing"
    views = ("", "?show=calls", "?show=top-ups")
    requests = [Request(path + views[number % len(views)], method="GET") for number in range(PAGES)]
    return median(send_all(requests, threads=1, make_client=lambda: _with_cookies(make_client, cookies)).each)


def _with_cookies(make_client: Callable[[], Client], cookies: str) -> Client:
    client = make_client()
    client.keep_header("Cookie", cookies)
    return client


def _ingest(wallet: Wallet, make_client: Callable[[], Client]) -> float:
    requests = [batch([wallet.workspace.public_id]) for _ in range(BATCHES)]
    return median(send_all(requests, threads=1, make_client=make_client).each)


def _signed_in(wallet: Wallet) -> str:
    user = User.objects.create_user("bench@example.com")
    Membership.objects.create(user=user, workspace_id=wallet.pk, role=Role.OWNER)
    browser = Browser()
    browser.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"


def _grow(wallet: Wallet, *, to_rows: int, say: Callable[[str], None]) -> None:
    """Copy the wallet's newest use again and again until the book has that many rows; seq and balance go on as they must."""
    wallet.refresh_from_db()
    while wallet.last_seq < to_rows:
        count = min(CHUNK_ROWS, to_rows - wallet.last_seq)
        _copy_rows(wallet, count=count)
        wallet.refresh_from_db()
        say(f"    {wallet.last_seq:,} transfers")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE wallet_transfer, usage_event")


def _copy_rows(wallet: Wallet, *, count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(
            _TRANSFERS,
            {"wallet": wallet.pk, "count": count, "seq": wallet.last_seq, "balance": wallet.balance_micros, "now": datetime.now(UTC)},
        )
        cursor.execute(_EVENTS, {"wallet": wallet.pk, "count": count, "seq": wallet.last_seq, "now": datetime.now(UTC)})
        cursor.execute(_SUMS, {"wallet": wallet.pk, "count": count})


_TRANSFERS = """
INSERT INTO wallet_transfer (wallet_id, seq, debit, credit, amount_micros, promotion_micros, balance_after_micros, kind, reference,
    description, happened_at, posted_at, idempotency_key)
SELECT %(wallet)s, %(seq)s + n, 'wallet', 'usage_revenue', 100, 0, %(balance)s - 100 * n,
    (ARRAY['call_out', 'call_in', 'message_out', 'ai_task'])[1 + n %% 4], md5((%(seq)s + n)::text),
    '+14155550142 · Sales agent · 4 min 12 s', %(now)s, %(now)s, 'event:' || md5((%(seq)s + n)::text)
FROM generate_series(1, %(count)s) AS n
"""
_EVENTS = """
INSERT INTO usage_event (wallet_id, key, content, source, event_id, meter_id, happened_at, received_at, quantity, billed_quantity, rate_id,
    used_before, remainder, amount_micros, transfer_seq, hold_id, agent, number, own_number)
SELECT %(wallet)s, md5((%(seq)s + n)::text)::uuid, md5((%(seq)s + n)::text)::uuid, '/bench/grown', (%(seq)s + n)::text, 'call_out',
    %(now)s, %(now)s,
    252, 252, NULL, 0, 0, 100, %(seq)s + n, NULL, 'Sales agent',
    '+1415555' || lpad((n %% 10000)::text, 4, '0'), '+12125550100'
FROM generate_series(1, %(count)s) AS n
"""
_SUMS = """
UPDATE wallet_wallet SET last_seq = last_seq + %(count)s, balance_micros = balance_micros - 100 * %(count)s WHERE workspace_id = %(wallet)s
"""
