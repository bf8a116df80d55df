"""A blend follows Megatron's rule, keeps to its weights at every point, and can be entered anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.node.train.blend import Blend

WEIGHTS = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=6)


def megatron(weights: list[float], size: int) -> list[tuple[int, int]]:
    """The rule word by word: the data set with the largest lack, the first of equal ones."""
    shares = [weight / sum(weights) for weight in weights]
    counts = [0] * len(weights)
    found = []
    for number in range(size):
        best = 0
        for which in range(1, len(weights)):
            lack = shares[which] * max(float(number), 1.0) - counts[which]
            if lack > shares[best] * max(float(number), 1.0) - counts[best]:
                best = which
        found.append((best, counts[best]))
        counts[best] += 1
    return found


@given(st.lists(st.integers(1, 64), min_size=1, max_size=6))
def test_follows_the_rule(weights: list[int]) -> None:
    # Shares whose sums are exact, so that the order of additions cannot matter.
    whole = [float(weight) for weight in weights]
    blend = Blend(whole)
    assert [blend.locate(number) for number in range(300)] == megatron(whole, 300)


@given(WEIGHTS)
def test_shares_hold_at_every_point(weights: list[float]) -> None:
    blend = Blend(weights)
    counts = [0] * len(weights)
    for number in range(1, 400):
        which, index = blend.locate(number - 1)
        # Each data set gives its own samples in order, none twice, none left out.
        assert index == counts[which]
        counts[which] += 1
        behind = [
            weight / sum(weights) * number - count for weight, count in zip(weights, counts, strict=True)
        ]
        assert min(behind) > -1.0 - 1e-9
        # Taking the largest lack first cannot promise one sample for more than two data sets.
        assert max(behind) < (1.0 if len(weights) <= 2 else 2.0) + 1e-9


@settings(max_examples=5)
@given(WEIGHTS, st.lists(st.integers(0, 60_000), min_size=1, max_size=5))
def test_any_place_is_as_in_the_whole_row(weights: list[float], places: list[int]) -> None:
    row = Blend(weights)
    known = {number: row.locate(number) for number in range(max(places) + 1)}
    jumping = Blend(weights)
    for place in places:
        assert jumping.locate(place) == known[place]
        assert Blend(weights).locate(place) == known[place]


@pytest.mark.parametrize("weights", [[1.0], [0.3]])
def test_one_data_set_is_taken_as_it_is(weights: list[float]) -> None:
    assert Blend(weights).locate(10**12) == (0, 10**12)
