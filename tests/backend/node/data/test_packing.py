from __future__ import annotations

from bisect import bisect_right

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.node.data.packing import batched, bins


def slowly(lengths: list[int], seq_length: int) -> list[list[int]]:
    """The rule word for word: of a sorted list of lengths the largest that fits is taken, again and again."""
    left = sorted(lengths)
    numbers = {length: [n for n, one in enumerate(lengths) if one == length] for length in lengths}
    made = []
    while left:
        room = seq_length - 1
        taken = []
        while (at := bisect_right(left, room) - 1) >= 0:
            length = left.pop(at)
            taken.append(numbers[length].pop())
            room -= length
        made.append(taken)
    return made


@given(st.lists(st.integers(1, 11), max_size=60))
def test_as_the_rule_says(lengths: list[int]) -> None:
    assert list(bins(np.array(lengths, np.int64), 12)) == slowly(lengths, 12)


def test_a_sample_of_the_full_length_is_a_bin_of_its_own() -> None:
    assert list(bins(np.array([4, 8, 3, 8], np.int64), 8)) == [[3], [1], [0, 2]]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_batches_hold_all_bins_in_order(count: int) -> None:
    lengths = np.array([5, 1, 2, 3, 4, 5, 5], np.int64)
    expected = list(bins(lengths, 7))
    found: list[list[int]] = []
    for samples, bin_of in batched(bins(lengths, 7), count):
        for number in range(int(bin_of[-1]) + 1):
            found.append(samples[bin_of == number].tolist())
    assert found == expected
