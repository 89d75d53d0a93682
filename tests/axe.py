"""What axe has to say against a page, once it stands still. The page's own policy stays in force."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

PHONE, DESK = 390, 1280
WIDTHS = (360, PHONE, 768, DESK)
HEIGHT = 900
OPTIONS = {
    "resultTypes": ["violations"],
    # Otherwise axe copies style sheets into the page, which our policy forbids and reports. No rule that is on needs them.
    "preload": False,
}
# What fades in is half transparent on its way, and its contrast as low as it looks; on a busy machine for longer than it takes.
STANDS_STILL = """
async () => {
    for (;;) {
        await new Promise((painted) => requestAnimationFrame(painted));
        const runs = document.getAnimations().filter((one) => one.playState === "running");
        const ends = runs.filter((one) => one.effect.getComputedTiming().endTime !== Infinity);
        // One that ends may have set off another, further in.
        if (ends.length === 0) return;
        await Promise.all(ends.map((one) => one.finished.catch(() => {})));
    }
}
"""


def faults_of(page: Page, *, within: str | None = None) -> list[str]:
    """One line for each element that breaks a rule; `within` is a selector, for the whole page where there is none."""
    return _faults(page, within=within, options=OPTIONS)


def faults_in_every_look(page: Page, *, within: str | None = None) -> list[str]:
    """The same for the page as it stands on a desk and on a phone, in light and in dark, and whether it scrolls sideways between."""
    before = page.viewport_size
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(f"it scrolls sideways where it is {width} wide")
        if width in (PHONE, DESK):
            found += faults_of(page, within=within)
    page.emulate_media(color_scheme="dark")
    # Nothing but its colours changes in dark.
    found += _faults(page, within=within, options={**OPTIONS, "runOnly": ["color-contrast"]})
    page.emulate_media(color_scheme="light")
    if before:
        page.set_viewport_size(before)
    return found


def _faults(page: Page, *, within: str | None, options: dict[str, Any]) -> list[str]:
    # For whom nothing moves: what a live page brings in while axe looks at it does not fade in either.
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(STANDS_STILL)
    violations = Axe().run(page, context=within, options=options).response["violations"]
    page.emulate_media(reduced_motion="no-preference")
    return [f"{found['id']}: {node['html'][:160]}" for found in violations for node in found["nodes"]]
