"""Chromium for tests: fresh contexts of desktop and phone size, and no page that throws or breaks the content security policy."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize, expect, sync_playwright

from tests.environment import in_ci

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
ARGUMENTS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
DESKTOP = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=390, height=844)
TIMEOUT_MS = 15_000
"""For what a person does and for what comes of it: a busy machine is slow, not wrong."""
RESULTS = Path(__file__).resolve().parent.parent / "test-results"


def chromium_path() -> str:
    """The browser's program. Where there is none the test is skipped, and in CI it fails: there, nothing may go unseen."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    reason = "needs Chromium, and this machine has none: apt-get install chromium"
    if in_ci():
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """One Chromium for a whole session."""
    path = chromium_path()
    # Playwright keeps an event loop on this thread, which makes Django refuse the database although nothing here is asynchronous.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        expect.set_options(timeout=TIMEOUT_MS)
        yield browser
        browser.close()


@dataclass
class Pages:
    """Opens pages for one test and knows what went wrong on them."""

    browser: Browser
    base_url: str
    faults: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def open(
        self, address: str = "/", *, phone: bool = False, dark: bool = False, cookies: list[Any] | None = None, **options: Any
    ) -> Page:
        """A page in a context of its own, signed in as nobody unless cookies say otherwise. Further options go to the context."""
        context = self.browser.new_context(
            base_url=self.base_url,
            viewport=PHONE if phone else DESKTOP,
            is_mobile=phone,
            has_touch=phone,
            device_scale_factor=2 if phone else 1,
            color_scheme="dark" if dark else "light",
            **options,
        )
        context.set_default_timeout(TIMEOUT_MS)
        if cookies:
            context.add_cookies(cookies)
        self.contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self._note(page, message=message))
        page.goto(address)
        return page

    def close(self, *, name: str, failed: bool) -> None:
        """Closes all; a failed test leaves a picture of each page in test-results/."""
        for number, context in enumerate(self.contexts):
            if failed:
                _take_pictures(context, name=f"{name}-{number}")
            context.close()

    def _note(self, page: Page, *, message: ConsoleMessage) -> None:
        # A page that answers 404 or 402 on purpose is logged as an error too; a blocked script or style is a fault.
        if message.type == "error" and "Content Security Policy" in message.text:
            self.faults.append(f"{page.url}: {message.text}")


def _take_pictures(context: BrowserContext, *, name: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    for number, page in enumerate(context.pages):
        page.screenshot(path=RESULTS / f"{name}-{number}.png", full_page=True)


OpenPage = Callable[..., Page]
