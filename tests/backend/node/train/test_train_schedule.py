"""The learning rate rises, falls, and ends where it should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.node.train.schedule import learning_rate


def test_curve_of_megatron() -> None:
    rates = [learning_rate(number, 1e-3, 1e-4, 2, 10) for number in range(1, 11)]
    assert rates[:2] == pytest.approx([5e-4, 1e-3])
    assert rates[5] == pytest.approx(5.5e-4)  # half way down
    assert rates[-1] == pytest.approx(1e-4)


@given(train=st.integers(1, 500), warmup=st.integers(0, 500), lr=st.floats(1e-6, 1.0))
def test_never_leaves_its_bounds(train: int, warmup: int, lr: float) -> None:
    rates = [learning_rate(number, lr, lr / 10, warmup, train) for number in range(1, train + 1)]
    assert all(0 < rate <= lr * (1 + 1e-12) for rate in rates)
    after = rates[warmup:]
    assert after == sorted(after, reverse=True)
    assert all(rate >= lr / 10 * (1 - 1e-12) for rate in after)
