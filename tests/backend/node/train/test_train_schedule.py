"""The learning rate rises, falls as the job says, and ends where it should."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from native_cases import tiny_job

from backend.node.train.schedule import learning_rate
from backend.node.train.train_job import DECAY_STYLES
from backend.node.train.train_job_reader import read_train_job


def rates(style: str, lr: float, min_lr: float, warmup: int, train: int) -> list[float]:
    job = read_train_job(
        tiny_job(
            Path("/nowhere"),
            lr_decay_style=style,
            lr=lr,
            min_lr=min_lr,
            warmup_iterations=warmup,
            train_iterations=train,
        )
    )
    return [learning_rate(number, job) for number in range(1, train + 1)]


def peer_rate(style: str, step: int, lr: float, min_lr: float, warmup: int, decay: int) -> float:
    """OptimizerParamScheduler.get_lr of megatron-core, written from its published formulas."""
    if warmup > 0 and step <= warmup:
        return lr * float(step) / float(warmup)
    if style == "constant":
        return lr
    if step > decay:
        return min_lr
    ratio = float(step - warmup) / float(decay - warmup)
    coefficient = 1.0 - ratio if style == "linear" else 0.5 * (math.cos(math.pi * ratio) + 1.0)
    return min_lr + coefficient * (lr - min_lr)


@pytest.mark.parametrize("style", DECAY_STYLES)
@pytest.mark.parametrize("warmup", [0, 1, 7])
def test_the_curves_are_those_of_megatron(style: str, warmup: int) -> None:
    expected = [peer_rate(style, number, 3e-4, 3e-5, warmup, 50) for number in range(1, 51)]
    assert rates(style, 3e-4, 3e-5, warmup, 50) == pytest.approx(expected, rel=1e-12)


def test_figures() -> None:
    cosine = rates("cosine", 1e-3, 1e-4, 2, 10)
    assert cosine[:2] == pytest.approx([5e-4, 1e-3])
    assert cosine[5] == pytest.approx(5.5e-4)  # half way down
    assert cosine[-1] == pytest.approx(1e-4)
    assert rates("linear", 1e-3, 1e-4, 2, 10)[3] == pytest.approx(1e-3 - 9e-4 / 4)
    assert rates("constant", 1e-3, 1e-4, 2, 10)[1:] == [1e-3] * 9


@given(
    style=st.sampled_from(DECAY_STYLES),
    train=st.integers(1, 500),
    warmup=st.integers(0, 500),
    lr=st.floats(1e-6, 1.0),
)
def test_never_leaves_its_bounds(style: str, train: int, warmup: int, lr: float) -> None:
    found = rates(style, lr, lr / 10, warmup, train)
    assert all(0 < rate <= lr * (1 + 1e-12) for rate in found)
    after = found[warmup:]
    assert after == sorted(after, reverse=True)
    assert all(rate >= lr / 10 * (1 - 1e-12) for rate in after)
