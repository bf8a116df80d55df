"""Numbers, times and foreign text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.formats import (
    age,
    clean,
    clip,
    clip_rows,
    clock_short,
    compact,
    duration,
    sparkline,
    thousands,
    zone,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (1.921, "1.921"), (12.345, "12.35"), (418.2, "418.2"), (2210.4, "2,210"), (0.0, "0.000"),
     (2.5e-5, "2.50e-05"), (float("nan"), "nan")],
)  # fmt: skip
def test_compact_has_four_digits(value: float | None, text: str) -> None:
    assert compact(value) == text


def test_times() -> None:
    assert [age(s) for s in (3, 61, 7200, 200_000)] == ["3 s", "1 min", "2 h", "2 d"]
    assert [duration(s) for s in (4.2, 65, 33_120, 100_000)] == ["4 s", "1 min 05 s", "9 h 12 min", "1 d 3 h"]
    assert age(-5) == "0 s"
    assert thousands(52_002) == "52,002"


def test_a_time_of_another_day_carries_its_date() -> None:
    assert clock_short(1_763_900_000, 1_763_900_100) == "12:13"
    assert clock_short(1_763_800_000, 1_763_900_100) == "22 Nov 08:26"
    assert zone(1_763_900_000) == "UTC"


def test_escape_sequences_are_gone_and_markup_is_text() -> None:
    dirty = "\x1b[31mred\x1b[0m\x07 [bold]not bold[/bold]\t\x1b]0;title\x07|\x9b2J|\u202egnp"
    assert clean(dirty) == "red [bold]not bold[/bold]    ||gnp"


@given(st.text(st.characters(codec=None)))
def test_nothing_that_controls_a_terminal_is_left(text: str) -> None:
    assert all(char.isprintable() or char == "\n" or ord(char) > 0x9F for char in clean(text))


def test_an_emoji_is_a_dot_and_other_scripts_stay() -> None:
    assert clean("\U0001f680 go \u2705, \u2714\ufe0f done, 数据, é") == "· go ·, \u2714 done, 数据, é"


@given(st.text(), st.integers(20, 90), st.integers(1, 5), st.integers(0, 60))
def test_clip_rows_keeps_to_its_rows(text: str, width: int, rows: int, used: int) -> None:
    assert len(clip_rows(text, width, rows, used)) + min(used, width - 1) <= width * rows + rows


@given(st.text(), st.integers(1, 50))
def test_clip_keeps_the_width(text: str, width: int) -> None:
    assert len(clip(text, width)) <= width


def test_a_curve_has_a_blank_where_nothing_is_known() -> None:
    assert sparkline([0, None, 100, 250], 0, 100) == "▁ ██"
