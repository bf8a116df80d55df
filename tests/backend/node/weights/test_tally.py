from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from weight_arrays import array

from backend.node.weights.arrays import Array
from backend.node.weights.progress import Progress
from backend.node.weights.tally import Stopped, Tally, count_not_finite


def as_floats(found: Array) -> Any:
    if found.dtype == "bf16":
        return (found.data.astype("<u4") << 16).view("<f4")
    return found.data


@pytest.mark.parametrize("dtype", ["bf16", "fp16", "fp32", "fp64"])
@given(seed=st.integers(0, 1000), rows=st.integers(0, 40))
def test_counts_every_value_that_is_no_number(dtype: str, seed: int, rows: int) -> None:
    found = array(dtype, rows, 50, seed=seed)
    assert count_not_finite(found) == int((~np.isfinite(as_floats(found))).sum())


@pytest.mark.parametrize(
    "value", [0.0, -0.0, 65504.0, -65504.0, 6e-8, math.inf, -math.inf, math.nan, -math.nan]
)
@pytest.mark.parametrize("code", ["<f2", "<f4", "<f8"])
def test_one_value(value: float, code: str) -> None:
    dtype = {"<f2": "fp16", "<f4": "fp32", "<f8": "fp64"}[code]
    found = Array(np.array([1.0, value, -2.0], code), dtype)
    assert count_not_finite(found) == (0 if math.isfinite(value) else 1)


def test_whole_numbers_are_not_looked_at() -> None:
    assert count_not_finite(array("int64", 4)) == 0


def test_what_is_counted_is_told() -> None:
    told: list[Progress] = []
    tally = Tally(30, told.append)
    tally.add(10)
    tally.add(20)
    tally.add_cast(0, 0)
    tally.add_cast(3, 1)
    tally.look_at("a", Array(np.array([np.nan, 1, np.inf], "<f4"), "fp32"))
    tally.look_at("a", Array(np.array([np.nan], "<f4"), "fp32"))
    assert [progress.done_bytes for progress in told] == [10, 30]
    counts = tally.counts()
    assert (counts["lost_values"], counts["overflowed_values"], counts["lossy_tensors"]) == (3, 1, 1)
    assert (counts["bytes"], counts["tensors"], counts["not_finite_values"]) == (30, 2, 3)
    assert tally.say_notes() == [
        "3 values lose digits in the cast, in 1 tensor",
        "1 value is too large for the dtype and became infinite",
        "3 values are NaN or infinite, in 1 tensor; the first is a",
    ]
    assert [progress.note for progress in told[2:]] == tally.notes()


def test_a_stopped_thread_ends() -> None:
    tally = Tally(1, lambda progress: None)
    tally.stop.set()
    with pytest.raises(Stopped):
        tally.add(1)
