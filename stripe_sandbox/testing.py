"""For tests: a sandbox in its own process on free ports, its control endpoint as methods, and a payer who needs no browser.

with running_sandbox(webhook_url="http://127.0.0.1:8000/webhooks/stripe") as sandbox:
    client = stripe.StripeClient("sk_test_…", base_addresses={"api": sandbox.api_url})
    sandbox.fault("hang_after", match="payment_intents.create")
    sandbox.pay_checkout(session.url, card="4000000000009995")
"""

import html
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any, cast

START_SECONDS_MAX = 15
ANSWER_SECONDS_MAX = 30.0
TEST_KEY = "sk_test_sandbox0000000000000000"
TEST_WEBHOOK_SECRET = "whsec_sandbox0000000000000000"  # noqa: S105 -- made up for tests, as the key is; it opens nothing


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a hosted page answered."""

    status: int
    # Where the browser would go next; empty where the page stays.
    location: str
    # What the page tells the payer in red; empty where all is well.
    error: str
    body: str


class ControlRefused(AssertionError):
    """The control endpoint could not do what the test asked."""


@dataclass
class RunningSandbox:
    """A sandbox that answers. `kill` and `start` are for tests of what survives."""

    state_dir: Path | None
    arguments: list[str]
    api_url: str = ""
    checkout_url: str = ""
    process: "subprocess.Popen[str] | None" = field(default=None, repr=False)

    def start(self) -> None:
        """Start it (again) with the same arguments. The environment's Stripe key, if any, is not handed on."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STRIPE_")}
        command = [sys.executable, "-m", "stripe_sandbox", "--die-with-parent", *self.arguments]
        if self.state_dir is not None:
            command += ["--state-dir", str(self.state_dir)]
        root = Path(__file__).resolve().parent.parent
        self.process = subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the Stripe sandbox did not start: exit {self.process.wait(START_SECONDS_MAX)}")
        said = json.loads(line)
        self.api_url, self.checkout_url = said["api"], said["checkout"]

    def kill(self, *, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(START_SECONDS_MAX)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    # ------------------------------------------------------------------ control
    def control(self, name: str, **wish: Any) -> dict[str, Any]:
        """POST to the control endpoint. Raises ControlRefused with its sentence."""
        request = urllib.request.Request(  # noqa: S310 -- api_url is this sandbox's own, on loopback
            f"{self.api_url}/_control/{name}", data=json.dumps(wish).encode(), headers={"Content-Type": "application/json"}
        )
        try:
            with _OPENER.open(request, timeout=ANSWER_SECONDS_MAX) as response:
                return cast(dict[str, Any], json.load(response))
        except urllib.error.HTTPError as error:
            raise ControlRefused(json.load(error)["error"]["message"]) from None

    def state(self) -> dict[str, Any]:
        """Everything the sandbox holds, by kind, oldest first; see control.STATE_KINDS."""
        with _OPENER.open(f"{self.api_url}/_control/state", timeout=ANSWER_SECONDS_MAX) as response:
            return cast(dict[str, Any], json.load(response))

    def reset(self, *, seed: int | None = None) -> None:
        """Forget everything. With a seed, what is left to chance falls the same way each time."""
        self.control("reset", seed=seed)

    def fault(self, kind: str, *, match: str = "*", count: int | None = 1, probability: float = 1.0, **options: Any) -> None:
        """Let a kind of fault (of faults.REQUEST_KINDS or WEBHOOK_KINDS) strike what matches: an operation's name or an event's type.

        `count` None: for ever. Options: seconds, copies, saved.
        """
        self.control("faults", kind=kind, match=match, count=count, probability=probability, **options)

    def clear_faults(self) -> None:
        self.control("faults/clear")

    def pause_webhooks(self) -> None:
        self.control("webhooks/pause")

    def resume_webhooks(self) -> None:
        self.control("webhooks/resume")

    def send_webhooks_now(self) -> None:
        """Whatever waits for its time or its next attempt is sent at once."""
        self.control("webhooks/send_now")

    def send_event(self, event: str, *, signature: str = "good", timestamp_offset: int = 0) -> None:
        """One event once more; signature good, bad or missing; signed as long ago (negative) or ahead as wished, in seconds."""
        self.control("events/send", event=event, signature=signature, timestamp_offset=timestamp_offset)

    def open_dispute(self, payment_intent: str, *, reason: str = "fraudulent", inquiry: bool = False) -> dict[str, Any]:
        return self.control("disputes/open", payment_intent=payment_intent, reason=reason, inquiry=inquiry)

    def win_dispute(self, dispute: str) -> dict[str, Any]:
        return self.control("disputes/win", dispute=dispute)

    def lose_dispute(self, dispute: str) -> dict[str, Any]:
        return self.control("disputes/lose", dispute=dispute)

    def escalate_inquiry(self, dispute: str) -> dict[str, Any]:
        return self.control("disputes/escalate", dispute=dispute)

    def refund(self, payment_intent: str, **wish: Any) -> dict[str, Any]:
        """A refund from the dashboard: not asked for by the API's client."""
        return self.control("refunds/create", payment_intent=payment_intent, **wish)

    def fail_refund(self, refund: str) -> dict[str, Any]:
        return self.control("refunds/fail", refund=refund)

    def settle_debit(self, payment_intent: str, *, succeeded: bool | None = None) -> dict[str, Any]:
        """The bank's answer to a pending debit; None: as its test account does."""
        return self.control("debits/settle", payment_intent=payment_intent, succeeded=succeeded)

    def expire_session(self, session: str) -> dict[str, Any]:
        return self.control("sessions/expire", session=session)

    def forget_keys(self, key: str = "") -> None:
        """As if a day had passed for that idempotency key, or for all."""
        self.control("keys/forget", key=key)

    def set_card_behaviour(self, payment_method: str, behaviour: str) -> dict[str, Any]:
        """From now on a saved card does what cards.BEHAVIOURS says by that name."""
        return self.control("cards/behaviour", payment_method=payment_method, behaviour=behaviour)

    def replace_card(self, payment_method: str, **digits: Any) -> dict[str, Any]:
        """The network replaces it: last4, exp_month, exp_year."""
        return self.control("cards/replace", payment_method=payment_method, **digits)

    # ------------------------------------------------------------------ a payer
    def open_page(self, url: str, form: dict[str, str] | None = None) -> Page:
        """One request to a hosted page, as a browser without JavaScript makes it; redirects are told, not followed."""
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        try:
            with _OPENER.open(url, data=data, timeout=ANSWER_SECONDS_MAX) as response:
                return _page(response.status, response.headers, response.read(), url=url)
        except urllib.error.HTTPError as error:
            return _page(error.code, error.headers, error.read(), url=url)

    def pay_checkout(
        self,
        session_url: str,
        *,
        card: str = "4242424242424242",
        expiry: str = "12 / 34",
        cvc: str = "123",
        email: str = "payer@example.com",
        name: str = "Pat Payer",
        answer: str = "complete",
        **more: str,
    ) -> Page:
        """Fill in and send the form; where the bank asks, `answer` it (complete, fail, or '' to stop there). The last page's answer."""
        form = {
            "email": email,
            "cardNumber": card,
            "cardExpiry": expiry,
            "cardCvc": cvc,
            "billingName": name,
            "billingCountry": "US",
            **more,
        }
        page = self.open_page(session_url, form)
        if answer and "/authenticate/" in page.location:
            page = self.open_page(page.location, {"answer": answer})
            if page.location.startswith(self.checkout_url):
                page = self.open_page(page.location)
        return page

    def pay_checkout_by_bank(self, session_url: str, *, account: str = "000123456789", email: str = "payer@example.com") -> Page:
        """Pay by bank debit: the session completes unpaid, and settle_debit decides."""
        form = {"email": email, "paymentMethod": "us_bank_account", "billingName": "Pat Payer"}
        return self.open_page(session_url, {**form, "routingNumber": "110000000", "accountNumber": account})


def _page(status: int, headers: "Message[str, str]", body: bytes, *, url: str) -> Page:
    text = body.decode()
    said = re.findall(r'<p class="(?:alert|error)"[^>]*>(.*?)</p>', text, re.DOTALL)
    location = headers.get("Location") or ""
    return Page(
        status=status,
        location=urllib.parse.urljoin(url, location) if location else "",
        error=" ".join(html.unescape(sentence).strip() for sentence in said),
        body=text,
    )


@contextmanager
def running_sandbox(
    *,
    webhook_url: str = "",
    webhook_secret: str = TEST_WEBHOOK_SECRET,
    state_dir: Path | None = None,
    speed: float = 50.0,
    port: int = 0,
    checkout_port: int = 0,
    **options: Any,
) -> Iterator[RunningSandbox]:
    """A sandbox on free ports until the block ends. Further options are the command line's, with underscores."""
    given = {"port": port, "checkout_port": checkout_port, "webhook_url": webhook_url, "webhook_secret": webhook_secret, "speed": speed}
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in {**given, **options}.items() if value is not None]
    sandbox = RunningSandbox(state_dir=state_dir, arguments=arguments)
    sandbox.start()
    try:
        yield sandbox
    finally:
        sandbox.kill()
