"""The pace of a job."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.cli.job_pace import WINDOW_S, Mark, Pace


def test_a_pace_needs_two_marks() -> None:
    pace = Pace()
    assert (pace.tokens_per_second(), pace.seconds_left(10)) == (None, None)
    pace.add(Mark(1.0, 10, 100))
    assert (pace.tokens_per_second(), pace.seconds_left(10)) == (None, None)
    pace.add(Mark(3.0, 30, 500))
    assert pace.tokens_per_second() == 200
    assert pace.seconds_left(50) == 2
    assert pace.seconds_left(30) is None


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
