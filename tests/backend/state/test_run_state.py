from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.events import IterationLogged, RunCreated, RunStateChanged, RunStatus
from backend.state.run_state import TERMINAL, RunBook, may_follow

CREATED = RunCreated("r1", 0.0, "u", "m", "pretrain", "native", ("a",), 4, 9, 8, 128, "f", "/i", "", "me")
LINE = IterationLogged("r1", 1.0, 1, 1, 9, 8, 1.0, 1e-3, 8, 6.0, 1.0, 1.0, 0, 0, None, 1.0, "train/a", 0)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_an_ended_run_stays_ended(state: RunStatus) -> None:
    assert not any(may_follow(state, after) for after in RunStatus)


def test_unknown_is_not_an_end() -> None:
    assert may_follow(RunStatus.UNKNOWN, RunStatus.RUNNING)
    assert RunStatus.UNKNOWN not in TERMINAL


@given(st.lists(st.integers(min_value=1, max_value=30), max_size=60))
def test_iterations_always_rise_and_the_later_attempt_wins(numbers: list[int]) -> None:
    book = RunBook()
    book.apply([CREATED])
    for offset, number in enumerate(numbers):
        book.apply([replace(LINE, iteration=number, log_offset=offset)])
    kept = book.runs["r1"].iterations
    assert [item.iteration for item in kept] == sorted({item.iteration for item in kept})
    if numbers:
        assert kept[-1].log_offset == len(numbers) - 1


def test_events_of_unknown_runs_are_left_alone() -> None:
    book = RunBook()
    assert book.apply([RunStateChanged("r9", 1.0, RunStatus.RUNNING)]) == set()
    assert book.apply([CREATED, LINE]) == {"r1"}
