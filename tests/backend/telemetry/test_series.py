"""Series for charts: bounded, spike-proof, round ticks."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.telemetry.series import SeriesPyramid, nice_log_ticks, nice_ticks, smoothed

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def test_few_points_are_kept_as_they_are() -> None:
    series = SeriesPyramid(capacity=4)
    for x, y in [(1, 5.0), (2, 3.0), (3, 4.0)]:
        series.append(x, y)
    assert (series.xs, series.lows, series.highs, series.lasts) == (
        [1, 2, 3],
        [5, 3, 4],
        [5, 3, 4],
        [5, 3, 4],
    )
    assert (len(series), series.points_per_bucket, series.last_x) == (3, 1, 3)


def test_a_full_pyramid_halves() -> None:
    series = SeriesPyramid(capacity=4)
    for x in range(5):
        series.append(x, float(x))
    assert (series.xs, series.lows, series.highs, series.points_per_bucket) == (
        [0, 2, 4],
        [0, 2, 4],
        [1, 3, 4],
        2,
    )
    assert series.last_x == 4


@settings(deadline=None)
@given(st.lists(st.floats(), max_size=300), st.sampled_from([2, 4, 16]))
def test_bounded_and_no_extreme_is_ever_lost(values: list[float], capacity: int) -> None:
    series = SeriesPyramid(capacity)
    for x, y in enumerate(values):
        series.append(x, y)
    finite = [value for value in values if math.isfinite(value)]
    assert len(series) <= capacity
    assert sum(series.gaps) == len(values) - len(finite)
    if finite:
        assert min(low for low in series.lows if low == low) == min(finite)
        assert max(high for high in series.highs if high == high) == max(finite)
        assert [last for last in series.lasts if last == last][-1] == finite[-1]
    assert series.xs == sorted(series.xs)
    columns = [column for column in series.columns(0, max(0, len(values) - 1), 7) if column is not None]
    assert sum(column.gaps for column in columns) == sum(series.gaps)
    if finite:
        assert max(column.high for column in columns if column.high == column.high) == max(finite)


def test_a_spike_among_a_hundred_thousand_is_seen() -> None:
    series = SeriesPyramid()
    for x in range(100_000):
        series.append(x, 99.0 if x == 60_000 else 2.0)
    columns = series.columns(0, 99_999, 100)
    spikes = [index for index, column in enumerate(columns) if column is not None and column.high == 99.0]
    assert spikes in ([59], [60])


def test_a_restart_replaces_what_it_repeats() -> None:
    series = SeriesPyramid()
    for x in [*range(10), *range(5, 8)]:
        series.append(x, 1.0 if x < 5 else 2.0)
    assert series.xs == [0, 1, 2, 3, 4, 5, 6, 7]
    series.append(0, 3.0)
    assert (series.xs, series.lasts) == ([0], [3.0])


@pytest.mark.parametrize("capacity", [0, 1, 3, -2])
def test_capacity_must_halve(capacity: int) -> None:
    with pytest.raises(ValueError, match="capacity"):
        SeriesPyramid(capacity)


def test_columns_outside_and_of_no_width() -> None:
    series = SeriesPyramid()
    series.append(5, 1.0)
    assert series.columns(6, 9, 3) == [None, None, None]
    assert series.columns(5, 5, 2)[0] is not None
    assert series.columns(9, 6, 2) == [None, None]
    assert series.columns(0, 9, 0) == []


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0, 100, 5, [0, 25, 50, 75, 100]),
        (0, 1, 6, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1.98, 2.03, 6, [1.98, 1.99, 2.0, 2.01, 2.02, 2.03]),
        (7, 7, 3, [7]),
        (3, 1, 3, [1, 2, 3]),
        (0, math.nan, 3, []),
        (-math.inf, 0, 3, []),
        (0, 1, 0, []),
    ],
)
def test_ticks(low: float, high: float, count: int, expected: list[float]) -> None:
    assert nice_ticks(low, high, count) == expected


@settings(deadline=None)
@given(FINITE, FINITE, st.integers(1, 12))
def test_ticks_are_few_rising_and_inside(low: float, high: float, count: int) -> None:
    ticks = nice_ticks(low, high, count)
    assert 1 <= len(ticks) <= count
    assert all(min(low, high) <= tick <= max(low, high) for tick in ticks)
    assert all(left < right for left, right in pairwise(ticks))


@settings(deadline=None)
@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9), st.integers(3, 12))
def test_there_are_enough_ticks(low: float, width: float, count: int) -> None:
    assert len(nice_ticks(low, low + width, count)) >= count // 3


def test_log_ticks() -> None:
    assert nice_log_ticks(0.5, 3000, 9) == [1, 10, 100, 1000]
    assert nice_log_ticks(1, 1e8, 3) == [1, 1e3, 1e6]
    assert nice_log_ticks(2, 5, 4) == [2, 3, 4, 5]
    assert nice_log_ticks(0, 5, 4) == []


def test_smoothing_is_fair_to_the_start_and_keeps_gaps() -> None:
    assert smoothed([4.0, 4.0, 4.0], 0.9) == pytest.approx([4.0, 4.0, 4.0])
    assert smoothed([1.0, 2.0], 0.0) == [1.0, 2.0]
    first, gap, last = smoothed([1.0, math.nan, 3.0], 0.5)
    assert [first, last] == pytest.approx([1.0, 7 / 3])
    assert math.isnan(gap)
    with pytest.raises(ValueError, match="weight"):
        smoothed([1.0], 1.0)
