"""Sends requests over kept-alive connections from threads, and notes how long each took."""

import http.client
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from queue import Empty, SimpleQueue

ANSWER_SECONDS_MAX = 60


@dataclass(frozen=True)
class Request:
    """One request, its body made beforehand so that making it is not measured."""

    path: str
    body: bytes = b""
    content_type: str = "application/json"
    method: str = "POST"


@dataclass(frozen=True)
class Load:
    """What came of it: seconds from the first request to the last answer, and of each request."""

    seconds: float
    each: list[float]


class Client:
    """One kept-alive connection."""

    def __init__(self, *, port: int, headers: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS_MAX)
        self._headers = headers

    def keep_header(self, name: str, value: str) -> None:
        """Send it with every request from now on."""
        self._headers = self._headers | {name: value}

    def send(self, request: Request, **headers: str) -> tuple[int, bytes]:
        """Status and body. Raises RuntimeError for a 4xx or 5xx: a measurement of refusals is worth nothing."""
        sent = self._headers | {"Content-Type": request.content_type} | {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(request.method, request.path, request.body or None, sent)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status >= 300 or answer.status == 207:
            raise RuntimeError(f"{request.path} answered {answer.status}: {body[:300]!r}")
        return answer.status, body

    def timed(self, request: Request) -> float:
        """Seconds to the whole answer. Raises RuntimeError as send does."""
        begun = time.perf_counter()
        self.send(request)
        return time.perf_counter() - begun


def send_all(requests: Iterable[Request], *, threads: int, make_client: Callable[[], Client]) -> Load:
    """All requests, shared out among `threads` connections, each as fast as the one before is answered."""
    queue: SimpleQueue[Request] = SimpleQueue()
    for request in requests:
        queue.put(request)
    each: list[float] = []

    def work() -> None:
        client = make_client()
        for _ in count():
            try:
                request = queue.get_nowait()
            except Empty:
                return
            each.append(client.timed(request))

    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work) for _ in range(threads)]:
            done.result()
    return Load(time.perf_counter() - begun, each)


def percentile(values: list[float], *, percent: int) -> float:
    """The value that `percent` of them do not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
