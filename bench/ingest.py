"""Reports of use over HTTP against the COPY ceiling: the same rows into the same tables by nothing but COPY."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from statistics import median

from django.db import connection, transaction

from bench.load import Client, Request, send_all
from bench.stage import BATCH_EVENTS, Stage, batch, event, funded_wallet
from usage.cloud_events import SINGLE
from usage.models import Event
from wallet.models import Transfer, Wallet

ROUNDS, BATCHES, THREADS, SINGLE_EVENTS = 3, 20, 3, 600

MakeClient = Callable[[], Client]


def measure_ingest(stage: Stage, make_client: MakeClient) -> dict[str, float]:
    """Events a second: the ceiling and each way of reporting in turn, round by round, so that a noisy moment hits all alike."""
    ways: dict[str, Callable[[], float]] = {
        "hot_wallet": lambda: _events_a_second([batch(stage.subjects[:1]) for _ in range(BATCHES)], make_client),
        "hundred_wallets": lambda: _events_a_second([batch([subject]) for subject in stage.subjects[:BATCHES]], make_client),
        "mixed_batches": lambda: _events_a_second([batch(stage.subjects) for _ in range(BATCHES)], make_client),
        "copy_ceiling": lambda: _copied_a_second(stage.wallets[0]),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(ROUNDS + 1):
        for name, measure in ways.items():
            value = measure()
            if round_number:  # The first warms everything up.
                found[name].append(value)
    figures = {f"{name}_per_second": median(values) for name, values in found.items()}
    for name in ("hot_wallet", "hundred_wallets", "mixed_batches"):
        pairs = zip(found[name], found["copy_ceiling"], strict=True)
        figures[f"{name}_ratio"] = median(rate / ceiling for rate, ceiling in pairs)
    return figures


def measure_single_events(stage: Stage, make_client: MakeClient) -> dict[str, float]:
    """Requests a second that report one event each, spread over the wallets."""
    requests = [
        Request("/api/v1/events", json.dumps(event(stage.subjects[number % len(stage.subjects)])).encode(), SINGLE)
        for number in range(SINGLE_EVENTS)
    ]
    load = send_all(requests, threads=THREADS, make_client=make_client)
    return {"single_event_per_second": SINGLE_EVENTS / load.seconds}


def _events_a_second(requests: Sequence[Request], make_client: MakeClient) -> float:
    load = send_all(requests, threads=THREADS, make_client=make_client)
    return len(requests) * BATCH_EVENTS / load.seconds


def _copied_a_second(source: Wallet) -> float:
    """The hot wallet's newest rows, copied under a wallet made for it: a thousand events and their transfers in each transaction."""
    count = BATCHES * BATCH_EVENTS
    target = funded_wallet("Ceiling")
    events = list(_lines(Event, "transfer_seq", source, target=target, count=count))
    transfers = list(_lines(Transfer, "seq", source, target=target, count=count))
    begun = time.perf_counter()
    for some_events, some_transfers in zip(_batches(events), _batches(transfers), strict=True):
        with transaction.atomic():
            _copy_in(Event, some_events)
            _copy_in(Transfer, some_transfers)
    return count / (time.perf_counter() - begun)


def _lines(model: type[Event | Transfer], order: str, source: Wallet, *, target: Wallet, count: int) -> Iterator[str]:
    columns = _columns(model)
    chosen = ", ".join(f"{target.pk} AS wallet_id" if column == "wallet_id" else column for column in columns)
    chosen_rows = f"FROM {model._meta.db_table} WHERE wallet_id = {source.pk} AND {order} > 1 ORDER BY {order} DESC LIMIT {count}"
    out = StringIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY (SELECT {chosen} {chosen_rows}) TO STDOUT", out)
    yield from out.getvalue().splitlines(keepends=True)


def _copy_in(model: type[Event | Transfer], lines: Sequence[str]) -> None:
    columns = ", ".join(_columns(model))
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {model._meta.db_table} ({columns}) FROM STDIN", StringIO("".join(lines)))


def _batches(lines: Sequence[str]) -> list[Sequence[str]]:
    """The lines in batches as large as those that are reported."""
    return [lines[start : start + BATCH_EVENTS] for start in range(0, len(lines), BATCH_EVENTS)]


def _columns(model: type[Event | Transfer]) -> list[str]:
    return [field.column for field in model._meta.concrete_fields if field.column]
