"""Holds under load: how long the platform waits for the answer to "may this call start?"."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from bench.load import Client, Request, percentile
from bench.stage import Stage, event
from usage.cloud_events import SINGLE

THREADS, CALLS_EACH, WARM_UP = 4, 150, 10


def measure_holds(stage: Stage, make_client: Callable[[], Client]) -> dict[str, float]:
    """Milliseconds to place a hold, while every thread goes on placing holds and reporting the calls that end them."""
    with ThreadPoolExecutor(THREADS) as pool:
        waits = [seconds for each in pool.map(lambda number: _calls(stage, number, make_client()), range(THREADS)) for seconds in each]
    return {f"hold_p{percent}_ms": percentile(waits, percent=percent) * 1_000 for percent in (50, 99)}


def _calls(stage: Stage, number: int, client: Client) -> list[float]:
    waits = []
    for call in range(CALLS_EACH):
        subject = stage.subjects[(number + call * THREADS) % len(stage.subjects)]
        use = {"subject": subject, "meter": "call_out", "destination": "+14155550142", "expected_quantity": 120}
        begun = time.perf_counter()
        _, answer = client.send(Request("/api/v1/holds", json.dumps(use).encode()), Idempotency_Key=uuid4().hex)
        waits.append(time.perf_counter() - begun)
        client.send(Request("/api/v1/events", json.dumps(event(subject, hold=json.loads(answer)["hold"])).encode(), SINGLE))
    return waits[WARM_UP:]
