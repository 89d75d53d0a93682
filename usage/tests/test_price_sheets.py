"""Price lists as CSV: what is written is read back the same, what is wrong is named by its line, and nothing is half done."""

from datetime import timedelta

import pytest
from django.utils import timezone

from usage.errors import PricesChanged, PriceSheetInvalid
from usage.models import Rate, RateCard
from usage.services.default_prices import seed_default_prices
from usage.services.price_sheets import compare_sheet, publish_sheet, read_sheet, sheet_lines
from workspaces.models import AuditEntry

pytestmark = pytest.mark.django_db

HEAD = "meter,prefix,price,per_units,setup_fee,first_block,step,tiers\n"


@pytest.fixture
def card() -> RateCard:
    seed_default_prices()
    return RateCard.objects.get(workspace=None, currency="usd")


def in_force(card: RateCard) -> dict[tuple[str, str], int]:
    now = timezone.now()
    standing = Rate.objects.filter(card=card, valid_from__lte=now).exclude(valid_until__lte=now)
    return {(rate.meter_id, rate.prefix): rate.price_micros for rate in standing}


def test_it_reads_back_what_it_wrote(card: RateCard) -> None:
    text = "".join(sheet_lines(card, at=timezone.now()))

    diff = compare_sheet(card, read_sheet(text), at=timezone.now())

    assert (diff.added, diff.changed, diff.not_named) == ([], [], [])
    assert diff.same == len(in_force(card)) > 20


def test_it_says_what_would_change_and_changes_nothing(card: RateCard) -> None:
    before = in_force(card)
    terms = read_sheet(HEAD + "call_out,1,0.02,60,0.01,6,6,\ncall_out,999,0.03,60,,60,60,\nai_task,,0.05,,,,,100: 0.05; : 0.04\n")

    diff = compare_sheet(card, terms, at=timezone.now())

    assert {(change.meter, change.prefix): change.after for change in diff.changed} == {
        ("call_out", "1"): "$0.0200 per 60, set-up $0.0100, 6/6",
        ("ai_task", ""): "$0.0500 per 1, up to 100: $0.0500, up to ∞: $0.0400",
    }
    assert [(change.prefix, change.before, change.after) for change in diff.added] == [("999", "", "$0.0300 per 60, 60/60")]
    assert len(diff.not_named) == len(before) - 2
    assert in_force(card) == before


def test_it_publishes_all_of_it(card: RateCard) -> None:
    others = len(in_force(card)) - 1

    publish_sheet(card, read_sheet(HEAD + "call_out,1,0.02,60,,6,6,\n"), valid_from=None, ends_others=False, reason="New carrier.")

    assert in_force(card)["call_out", "1"] == 20_000
    assert len(in_force(card)) == others + 1
    assert AuditEntry.objects.get(action="prices.published").reason == "New carrier."


def test_it_publishes_just_what_was_seen_or_nothing(card: RateCard) -> None:
    """What somebody else publishes between the look and the deed is seen under the lock."""
    terms = read_sheet(HEAD + "call_out,1,0.02,60,,6,6,\n")
    seen = compare_sheet(card, terms, at=timezone.now()).digest
    publish_sheet(card, read_sheet(HEAD + "call_out,1,0.03,60,,6,6,\n"), valid_from=None, ends_others=False, reason="Somebody else.")

    with pytest.raises(PricesChanged):
        publish_sheet(card, terms, valid_from=None, ends_others=False, reason="New carrier.", seen=seen)

    assert in_force(card)["call_out", "1"] == 30_000
    seen = compare_sheet(card, terms, at=timezone.now()).digest
    publish_sheet(card, terms, valid_from=None, ends_others=False, reason="New carrier.", seen=seen)
    assert in_force(card)["call_out", "1"] == 20_000


def test_it_ends_what_the_sheet_does_not_name_if_it_is_told_to(card: RateCard) -> None:
    publish_sheet(card, read_sheet(HEAD + "call_out,1,0.02,60,,6,6,\n"), valid_from=None, ends_others=True, reason="Calls alone.")

    assert in_force(card) == {("call_out", "1"): 20_000}


def test_it_publishes_from_a_day_to_come(card: RateCard) -> None:
    before = in_force(card)

    starts = timezone.now() + timedelta(days=3)
    publish_sheet(card, read_sheet(HEAD + "call_out,1,0.02,60,,6,6,\n"), valid_from=starts, ends_others=False, reason="From Monday on.")

    assert in_force(card) == before
    assert Rate.objects.get(card=card, valid_from=starts).price_micros == 20_000
    with pytest.raises(ValueError, match="in force at once"):
        publish_sheet(card, read_sheet(HEAD + "call_out,1,0.03,60,,6,6,\n"), valid_from=starts, ends_others=True, reason="x")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "The first line must name the columns"),
        ("meter;price\ncall_out;1\n", 1, "The first line must name the columns"),
        ("meter,price,colour\n", 1, "The first line must name the columns"),
        ("meter,price,price\ncall_out,1,2\n", 1, "The first line must name the columns, each once"),
        (HEAD, 2, "There is no rate"),
        (HEAD + "\n\ncall_out,,cheap,,,,,\n", 4, "price is an amount such as"),
        (HEAD + "call_sideways,,1,,,,,\n", 2, "There is no meter 'call_sideways'. There are: ai_task,"),
        (HEAD + "call_out,1,1,,,,,\ncall_out,+1,2,,,,,\n", 3, "stands in line 2 already"),
        (HEAD + "call_out,1a,1,,,,,\n", 2, "A prefix is the first digits"),
        (HEAD + "call_out,١,1,,,,,\n", 2, "A prefix is the first digits"),
        (HEAD + "call_out,,-1,,,,,\n", 2, "price is an amount such as"),
        (HEAD + "call_out,,1e5,,,,,\n", 2, "price is an amount such as"),
        (HEAD + "call_out,,NaN,,,,,\n", 2, "price is an amount such as"),
        (HEAD + "call_out,,,,,,,\n", 2, "price is an amount such as"),
        (HEAD + "call_out,,0.0000001,,,,,\n", 2, "at most six decimals"),
        (HEAD + 'call_out,,"1,50",,,,,\n', 2, "price is an amount such as"),
        (HEAD + "call_out,,9999999999999,,,,,\n", 2, "price is an amount such as"),
        (HEAD + "call_out,,1,0,,,,\n", 2, "per_units is a whole number"),
        (HEAD + "call_out,,1,1.5,,,,\n", 2, "per_units is a whole number"),
        (HEAD + "call_out,,1,,,,,100 0.5\n", 2, "Tiers look like"),
        (HEAD + "call_out,1\n", 2, "not as many cells"),
        (HEAD + "call_out,,1,,,,,,,\n", 2, "not as many cells"),
        (HEAD + 'call_out,"1', 1, "This is no CSV"),
    ],
)
def test_it_names_the_line_that_is_wrong(card: RateCard, text: str, line: int, words: str) -> None:
    with pytest.raises(PriceSheetInvalid) as refusal:
        read_sheet(text)

    fault = refusal.value.faults[0]
    assert fault.line == line
    assert words in fault.words


def test_it_names_every_wrong_line_up_to_a_limit(card: RateCard) -> None:
    with pytest.raises(PriceSheetInvalid) as refusal:
        read_sheet(HEAD + "nothing,,1,,,,,\n" * 1_000)

    assert len(refusal.value.faults) == 100


def test_it_refuses_a_sheet_that_is_too_long(card: RateCard) -> None:
    with pytest.raises(PriceSheetInvalid) as refusal:
        read_sheet("x" * 5_000_001)

    assert "Publish it in parts" in str(refusal.value)
