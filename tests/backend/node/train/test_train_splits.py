"""Training, validation and test share the documents among them as Megatron does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.node.train.splits import split_bounds


@given(st.floats(0.001, 1000.0), st.floats(0.0, 1000.0), st.floats(0.0, 1000.0), st.integers(0, 10**7))
def test_every_document_has_one_part(training: float, validation: float, test: float, count: int) -> None:
    bounds = split_bounds((training, validation, test), count)
    assert list(bounds) == sorted(bounds)
    assert (bounds[0], bounds[-1]) == (0, count)
    total = training + validation + test
    for share, start, end in zip((training, validation, test), bounds, bounds[1:], strict=False):
        # Half a document of each part's own rounding, and the first takes what is over.
        assert abs(end - start - share / total * count) <= 2.0


@pytest.mark.parametrize(
    ("shares", "count", "bounds"),
    [
        ((949, 50, 1), 1000, (0, 949, 999, 1000)),
        ((949, 50, 1), 100, (0, 95, 100, 100)),
        ((969, 30, 1), 7, (0, 7, 7, 7)),
        ((100, 0, 0), 5, (0, 5, 5, 5)),
        ((1, 1, 1), 1, (0, 1, 1, 1)),
        # 1.5 documents each: both are rounded to 2, and the first gives one back.
        ((1, 1, 0), 3, (0, 1, 3, 3)),
        ((0.9, 0.1, 0), 10, (0, 9, 10, 10)),
        ((949, 50, 1), 0, (0, 0, 0, 0)),
    ],
)
def test_known_splits(shares: tuple[float, float, float], count: int, bounds: tuple[int, ...]) -> None:
    assert split_bounds(shares, count) == bounds
