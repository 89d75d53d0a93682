"""What axe has to say against a page, once it stands still. The page's own policy stays in force."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

OPTIONS = {
    "resultTypes": ["violations"],
    # Otherwise axe copies style sheets into the page, which our policy forbids and reports. No rule that is on needs them.
    "preload": False,
}
# What fades in is half transparent on its way, and its contrast as low as it looks; on a busy machine for longer than it takes.
STANDS_STILL = """
async () => {
    await new Promise((painted) => requestAnimationFrame(painted));
    const ends = document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime !== Infinity);
    await Promise.all(ends.map((one) => one.finished.catch(() => {})));
}
"""


def faults_of(page: Page, *, within: str | None = None) -> list[str]:
    """One line for each element that breaks a rule; `within` is a selector, for the whole page where there is none."""
    page.evaluate(STANDS_STILL)
    violations = Axe().run(page, context=within, options=OPTIONS).response["violations"]
    return [f"{found['id']}: {node['html'][:160]}" for found in violations for node in found["nodes"]]
