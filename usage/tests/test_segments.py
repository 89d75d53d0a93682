"""Segments of a text message: GSM-7 and UCS-2, alone and joined, with characters that must not be torn apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.segments import Segments, segments

EXTENSION = "^{}[]~\\|€\f"
BASIC = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
OTHER = "ç`你ж…“”\t😀👍🏽\U0001f469"
gsm7_texts = st.one_of(st.text(st.sampled_from(BASIC), max_size=700), st.text(st.sampled_from(BASIC + EXTENSION * 5), max_size=700))
ucs2_texts = st.builds("".join, st.tuples(gsm7_texts, st.sampled_from(OTHER), st.text(st.sampled_from(BASIC + OTHER * 5), max_size=300)))


def packed(widths: list[int], *, alone: int, joined: int) -> list[list[int]]:
    """The segments themselves, each a list of whole characters, filled in order."""
    if sum(widths) <= alone:
        return [widths]
    filled: list[list[int]] = [[]]
    for width in widths:
        if sum(filled[-1]) + width > joined:
            filled.append([])
        filled[-1].append(width)
    return filled


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Segments("gsm7", 0, 1)),
        ("a" * 160, Segments("gsm7", 160, 1)),
        ("a" * 161, Segments("gsm7", 161, 2)),
        ("a" * 306, Segments("gsm7", 306, 2)),
        ("a" * 307, Segments("gsm7", 307, 3)),
        ("a" * 459, Segments("gsm7", 459, 3)),
        ("a" * 460, Segments("gsm7", 460, 4)),
        ("я" * 70, Segments("ucs2", 70, 1)),
        ("я" * 71, Segments("ucs2", 71, 2)),
        ("я" * 134, Segments("ucs2", 134, 2)),
        ("я" * 135, Segments("ucs2", 135, 3)),
        ("a" * 160 + "я", Segments("ucs2", 161, 3)),
        ("€" * 80, Segments("gsm7", 160, 1)),
        ("€" * 81, Segments("gsm7", 162, 2)),
        ("😀" * 35, Segments("ucs2", 70, 1)),
        ("😀" * 36, Segments("ucs2", 72, 2)),
    ],
)
def test_it_counts_the_examples_of_the_field(text: str, expected: Segments) -> None:
    assert segments(text) == expected


@pytest.mark.parametrize("character", EXTENSION)
def test_it_counts_each_character_of_the_extension_twice(character: str) -> None:
    assert segments(character) == Segments("gsm7", 2, 1)


@pytest.mark.parametrize("character", BASIC)
def test_it_counts_each_character_of_the_alphabet_once(character: str) -> None:
    assert segments(character) == Segments("gsm7", 1, 1)


@pytest.mark.parametrize("character", ["ç", "`", "\t", "“", "\x1b", "\u00a0"])
def test_it_sends_what_only_looks_like_the_alphabet_as_ucs2(character: str) -> None:
    assert segments("plain " + character).encoding == "ucs2"


def test_it_never_tears_an_extension_character_apart() -> None:
    """152 units and a pair: the pair goes to the second segment, so 153 · 2 = 306 units need three."""
    assert segments("a" * 152 + "€" + "a" * 152) == Segments("gsm7", 306, 3)
    assert segments("a" * 151 + "€" + "a" * 153) == Segments("gsm7", 306, 2)


def test_it_never_tears_a_surrogate_pair_apart() -> None:
    """33 pairs fill 66 of 67 units; the last unit of each segment stays empty."""
    assert segments("😀" * 66) == Segments("ucs2", 132, 2)
    assert segments("😀" * 67) == Segments("ucs2", 134, 3)
    assert segments("я" + "😀" * 66 + "я") == Segments("ucs2", 134, 2)


def test_it_takes_half_a_pair_for_one_unit() -> None:
    """JSON can carry one that stands alone."""
    assert segments("\ud83d") == Segments("ucs2", 1, 1)


@given(text=gsm7_texts)
def test_it_counts_gsm7_as_packing_it_would(text: str) -> None:
    widths = [2 if character in EXTENSION else 1 for character in text]

    assert segments(text) == Segments("gsm7", sum(widths), len(packed(widths, alone=160, joined=153)))


@given(text=ucs2_texts)
def test_it_counts_ucs2_as_packing_it_would(text: str) -> None:
    widths = [len(character.encode("utf-16-le")) // 2 for character in text]

    assert segments(text) == Segments("ucs2", len(text.encode("utf-16-le")) // 2, len(packed(widths, alone=70, joined=67)))


@given(text=st.text(), more=st.text())
def test_it_never_needs_fewer_segments_for_more_text(text: str, more: str) -> None:
    assert 1 <= segments(text).count <= segments(text + more).count
