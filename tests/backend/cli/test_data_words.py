"""Numbers as people read them, and the pace of a job."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.cli import data_words as words
from backend.cli.data_pace import WINDOW_S, Mark, Pace


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
def test_speeds(number: float, text: str) -> None:
    assert words.speed(number) == text


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


def test_a_pace_needs_two_marks() -> None:
    pace = Pace()
    assert (pace.tokens_per_second(), pace.seconds_left(10)) == (None, None)
    pace.add(Mark(1.0, 10, 100))
    assert (pace.tokens_per_second(), pace.seconds_left(10)) == (None, None)
    pace.add(Mark(3.0, 30, 500))
    assert pace.tokens_per_second() == 200
    assert pace.seconds_left(50) == 2


def test_a_pace_forgets_a_slow_start() -> None:
    pace = Pace()
    pace.add(Mark(0.0, 0, 0))
    for second in range(100, 100 + 2 * int(WINDOW_S)):
        pace.add(Mark(float(second), second * 10, second * 1000))
    assert pace.tokens_per_second() == pytest.approx(1000)


def test_nobody_knows_how_long_nothing_takes() -> None:
    pace = Pace()
    pace.add(Mark(0.0, 5, 5))
    pace.add(Mark(2.0, 5, 5))
    assert pace.seconds_left(10) is None
    assert pace.tokens_per_second() == 0


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 100), st.integers(0, 100)), max_size=60))
def test_a_pace_is_never_negative(steps: list[tuple[float, int, int]]) -> None:
    pace, seconds, done, tokens = Pace(), 0.0, 0, 0
    for step in steps:
        seconds, done, tokens = seconds + step[0], done + step[1], tokens + step[2]
        pace.add(Mark(seconds, done, tokens))
        assert (pace.tokens_per_second() or 0) >= 0
        assert (pace.seconds_left(done + 1) or 0) >= 0
