"""Numbers as people read them."""

from __future__ import annotations

import pytest

from backend import number_words as words


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9949, "9.9 kB"), (9950, "10 kB"), (43_600_000, "44 MB")],
)
def test_sizes(number: int, text: str) -> None:
    assert words.size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7620, "2 h 07 min"),
    ],
)
def test_spans(seconds: float, text: str) -> None:
    assert words.span(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 tokens/s"),
        (950, "950 tokens/s"),
        (1500, "1.50 k tokens/s"),
        (120_000, "120 k tokens/s"),
        (1_434_000, "1.43 M tokens/s"),
        (14_700_000, "15 M tokens/s"),
    ],
)
def test_token_rates(number: float, text: str) -> None:
    assert words.token_rate(number) == text


def test_bytes_on_the_way() -> None:
    assert words.byte_rate(1.44e9) == "1.4 GB/s"
    assert words.progress(1_200_000_000, 26_000_000_000) == "1.2 GB of 26 GB"
    assert words.time_left(130) == "2 min 10 s left"


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 5, "0 %"), (1, 1000, "<1 %"), (999, 1000, ">99 %"), (5, 5, "100 %"), (1, 0, "–"), (1, 3, "33 %")],
)
def test_a_share_is_never_none_or_all_by_rounding(part: float, whole: float, text: str) -> None:
    assert words.share(part, whole) == text


def test_columns_stand_below_their_headings() -> None:
    rows = [("files", "tokens"), ("input_ids", "7"), ("labels", "1,234,567")]
    assert list(words.columns(rows)) == [
        "files         tokens",
        "input_ids          7",
        "labels     1,234,567",
    ]
