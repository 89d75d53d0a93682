"""Every example of docs/pricing.md, run as it stands there."""

import doctest
from datetime import UTC, datetime
from pathlib import Path

from usage import rating
from usage.segments import segments
from usage.tests.rates import make_rate

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pricing.md"
WORDS = {
    "rate": make_rate,
    "segments": segments,
    "now": datetime(2026, 11, 21, tzinfo=UTC),
    **{name: getattr(rating, name) for name in ("CardRates", "RateTable", "Tier", "affordable_quantity", "billed")},
    **{name: getattr(rating, name) for name in ("first_block_cost", "is_emergency", "rate_use")},
}


def test_it_prices_as_the_page_says() -> None:
    # The fence that closes an example would be taken for the last line of what it prints.
    text = PAGE.read_text().replace("```", "\n")
    examples = doctest.DocTestParser().get_doctest(text, dict(WORDS), "docs/pricing.md", str(PAGE), 0)

    outcome = doctest.DocTestRunner().run(examples)

    assert outcome.attempted > 20
    assert outcome.failed == 0
