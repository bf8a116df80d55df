from __future__ import annotations

import os
import threading

import pytest

from backend.node.weights.rank_writer import fits, held_per_byte, run_side_by_side, worker_count
from backend.node.weights.tally import Tally

MB = 1 << 20


def quiet_tally() -> Tally:
    return Tally(0, lambda progress: None)


@pytest.mark.parametrize(
    ("tasks", "largest", "allowed", "expected"),
    [
        (1, 1, 10**12, 1),
        (64, 10 * MB, 100 * MB, 1),
        (64, 10 * MB, 119 * MB, 1),
        (64, 10 * MB, 129 * MB, 2),
        (64, 10 * MB, 10**12, 4),
        (3, 10 * MB, 10**12, 3),
        (64, 0, 1, 1),
    ],
)
def test_as_many_as_fit(
    tasks: int, largest: int, allowed: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)))
    assert worker_count(tasks, largest, allowed) == expected


def test_a_cast_holds_what_it_casts_too() -> None:
    assert held_per_byte(["bf16"], "bf16") == 1.0
    assert held_per_byte(["bf16", "fp32"], "bf16") == 3.0
    assert held_per_byte(["bf16"], "fp32") == 1.5
    assert fits(20 * MB, 120 * MB)
    assert not fits(21 * MB, 120 * MB)


@pytest.mark.parametrize("workers", [1, 3])
def test_answers_in_order(workers: int) -> None:
    tasks = [lambda number=number: str(number) for number in range(7)]
    assert run_side_by_side(tasks, workers, quiet_tally()) == list("0123456")


def test_the_first_error_ends_all() -> None:
    tally, failed = quiet_tally(), threading.Event()
    written: list[int] = []

    def endless() -> str:
        failed.wait(10)
        while True:
            tally.add(1)
            written.append(1)

    def broken() -> str:
        failed.set()
        raise ValueError("broken")

    never = [lambda: written.append(-1) or "" for _number in range(20)]
    with pytest.raises(ValueError, match="broken"):
        run_side_by_side([endless, broken, *never], 2, tally)
    assert tally.stop.is_set()
