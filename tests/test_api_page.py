"""docs/api.md is true: its examples are run in their order against the real thing, by bash and curl, as a reader would.

In the page: a ```sh block is a command; the ```json block after it, with the status, is the answer; `<!-- NAME = path -->` keeps a
member of that answer for later commands; `<!-- $20.00 arrives -->` and the like are what happens in between (HAPPENS).
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.stack import RunningStack
from wallet.models import Wallet
from wallet.tests.builders import DOLLAR, paid_top_up
from workspaces.api.limits import PAYMENTS, REQUESTS, USE
from workspaces.models import Scope

pytestmark = pytest.mark.xdist_group("browser")

PAGE = Path(__file__).resolve().parent.parent / "docs" / "api.md"
_PARTS = re.compile(r"```sh\n(?P<command>.*?)\n```|```json (?P<status>\d+)\n(?P<answer>.*?)\n```|<!-- (?P<aside>.*?) -->", re.DOTALL)
_VARIES = (
    re.compile(r"ws_[0-9a-f]{24}"),
    re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z"),
)
SITE_IN_PAGE = "https://billing.example.com"


def _money_arrives(stack: RunningStack) -> None:
    wallet = Wallet.objects.select_related("workspace").get(workspace__external_id="customer-1042")
    Wallet.objects.filter(pk=wallet.pk).update(stripe_customer_id="cus_1042")
    wallet.refresh_from_db()
    paid_top_up(wallet, 20 * DOLLAR)


def _prices_are_set(stack: RunningStack) -> None:
    stack.manage("seed_prices")


HAPPENS: dict[str, Callable[[RunningStack], None]] = {"$20.00 arrives": _money_arrives, "the default prices are set": _prices_are_set}


@dataclass(frozen=True)
class Part:
    """One piece of the page that means something to this test."""

    line: int
    command: str | None
    status: str | None
    answer: str | None
    aside: str | None


def parts(page: str) -> Iterator[Part]:
    for found in _PARTS.finditer(page):
        yield Part(page.count("\n", 0, found.start()) + 1, **found.groupdict())


class Reader:
    """Somebody who follows the page with a shell."""

    def __init__(self, stack: RunningStack) -> None:
        self.stack = stack
        self.variables = {"SITE": stack.site_url}
        self.status, self.body = "", ""

    def follow(self, part: Part) -> None:
        if part.command is not None:
            self._run(part.command)
        elif part.answer is not None:
            assert self.status == part.status, self.body
            assert same(json.loads(self.body), json.loads(part.answer), site=self.stack.site_url), self.body
        elif part.aside in HAPPENS:
            HAPPENS[part.aside](self.stack)
        elif part.aside is not None:
            name, _, path = part.aside.partition(" = ")
            self.variables[name] = str(member(json.loads(self.body), path))

    def _run(self, command: str) -> None:
        if command.startswith("KEY=$(python manage.py"):
            self.variables["KEY"] = self.stack.manage("create_platform_key", "call server").split()[-1]
            return
        assert command.startswith("curl "), command
        script = command.replace("curl ", "curl --silent --show-error --max-time 20 --write-out '\\n%{http_code}' ", 1)
        done = subprocess.run(
            ["bash", "-euc", script], env=os.environ | self.variables, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        self.body, _, self.status = done.stdout.rpartition("\n")


def member(body: Any, path: str) -> Any:
    for step in path.split("."):
        body = body[int(step)] if isinstance(body, list) else body[step]
    return body


def same(answered: Any, written: Any, *, site: str) -> bool:
    """Member for member, and letter for letter but for ids, times and what the page writes as …"""
    if isinstance(written, dict) and isinstance(answered, dict):
        return list(answered) == list(written) and all(same(answered[name], inner, site=site) for name, inner in written.items())
    if isinstance(written, list) and isinstance(answered, list):
        return len(answered) == len(written) and all(same(*pair, site=site) for pair in zip(answered, written, strict=True))
    if isinstance(written, str) and isinstance(answered, str):
        written = written.replace(SITE_IN_PAGE, site)
        begin, leaves_out, _ = written.partition("…")
        alike = any(form.fullmatch(written) and form.fullmatch(answered) for form in _VARIES)
        return answered == written or alike or (bool(leaves_out) and answered.startswith(begin))
    return type(answered) is type(written) and bool(answered == written)


def test_it_can_be_followed_from_top_to_bottom(stack: RunningStack) -> None:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("needs curl and bash")
    reader, page = Reader(stack), list(parts(PAGE.read_text()))
    assert sum(part.command is not None for part in page) > 10

    for part in page:
        try:
            reader.follow(part)
        except AssertionError as error:
            raise AssertionError(f"docs/api.md, line {part.line}: {error}") from error


def test_it_tells_a_wrong_answer_from_a_right_one() -> None:
    written = {"id": "ws_5b0c2f9d41d7a3e86a1f20c4", "balance_micros": 20_000_000, "url": "https://billing.example.com/pay/…"}
    answered = {"id": "ws_000000000000000000000000", "balance_micros": 20_000_000, "url": "http://site/pay/abc"}

    assert same(answered, written, site="http://site")
    for wrong in ({"balance_micros": 2}, {"balance_micros": 2e7}, {"id": "ws_1"}, {"url": "http://elsewhere/pay/abc"}, {"more": 1}):
        assert not same(answered | wrong, written, site="http://site")


def test_it_lists_every_scope_and_rate() -> None:
    page = PAGE.read_text()

    assert re.findall(r"^\| `([a-z]+:[a-z]+)` \|", page, flags=re.MULTILINE) == list(Scope)
    written = re.findall(r"^\| `(\w+)`: [^|]+ \| ([\d,]+) \|", page, flags=re.MULTILINE)
    assert written == [(policy.name, f"{policy.quota:,}") for policy in (REQUESTS, USE, PAYMENTS)]
    assert {policy.window_seconds for policy in (REQUESTS, USE, PAYMENTS)} == {60}
