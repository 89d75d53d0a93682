"""How amounts and times are written on the pages."""

from datetime import UTC, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template


def written(source: str, **values: object) -> str:
    return Template("{% load money %}" + source).render(Context(values))


@pytest.mark.parametrize(
    ("source", "micros", "currency", "expected"),
    [
        ("{% money m c %}", 12_345_678, "usd", "$12.34"),
        ("{% money m c %}", -1, "usd", "−$0.01"),
        ("{% money m c %}", 1_500_000_000, "jpy", "¥1,500"),
        ("{% money m c signed=True %}", 20_000_000, "usd", "+$20.00"),
        ("{% money m c exact=True signed=True %}", -75_000, "usd", "−$0.0750"),
        ("{% money m c exact=True %}", 12_345_678, "usd", "$12.345678"),
        ("{% money_figure m c %}", 12_345_678, "usd", "$12<small>.34</small>"),
        ("{% money_figure m c %}", 1_500_000_000, "jpy", "¥1,500"),
    ],
)
def test_it_writes_amounts(source: str, micros: int, currency: str, expected: str) -> None:
    assert written(source, m=micros, c=currency) == expected


def test_it_keeps_the_points_of_a_column_in_line() -> None:
    assert written("{% money_column m 'usd' 6 %}", m=75_000) == '$0.0750<span class="pad" aria-hidden="true">00</span>'
    assert written("{% money_column m 'usd' 4 %}", m=75_000) == "$0.0750"
    assert written("{% money_column m 'jpy' 2 %}", m=3_000_000) == '¥3<span class="pad" aria-hidden="true">.00</span>'
    assert written("{% money_column m 'jpy' 2 %}", m=3_500_000) == '¥3.5<span class="pad" aria-hidden="true">0</span>'


def test_it_tells_times_in_the_workspaces_zone() -> None:
    request = SimpleNamespace(workspace=SimpleNamespace(zone=ZoneInfo("America/New_York")))

    text = written("{% moment when 'exact' %}", when=datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC), request=request)

    assert text == '<time datetime="2026-11-20T22:04:05-05:00">Nov 20, 2026, 22:04:05 EST</time>'
