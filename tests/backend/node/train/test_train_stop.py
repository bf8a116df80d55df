"""Asked to stop, all ranks finish the same step, save, and say that they can go on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from launched import Launched, gone
from native_cases import tiny_job
from one_rank import all_tensors, assert_same

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

Launch = Callable[..., Launched]
FOR_EVER = 1_000_000


def tracked(folder: Path) -> int:
    return int((folder / "saved" / "latest_checkpointed_iteration.txt").read_text())


@pytest.mark.parametrize("layout", [{"tp": 2, "pp": 2}, {"dp": 2, "dtype": "bf16"}])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, launch: Launch, layout: dict[str, Any]) -> None:
    job = tiny_job(tmp_path, train_iterations=60, **layout)
    first = launch(job)
    first.wait_for_iteration()
    # Any one rank: the others learn it with the next step's sums.
    os.kill(first.ranks()[job["npus_per_node"] - 1].pid, signal.SIGTERM)
    assert first.end() == 75, "".join(first.lines)
    stopped = tracked(tmp_path)
    assert 0 < stopped < 60
    assert first.losses()[-1][0].split("/")[0].split()[-1] == str(stopped)
    assert any("exiting program after receiving SIGTERM" in line for line in first.lines)
    assert first.rank_exits() == first.problems() == []
    again = launch(job)
    assert again.end() == 0, "".join(again.lines)
    whole = launch({**job, "save_directory": str(tmp_path / "whole")})
    assert whole.end() == 0, "".join(whole.lines)
    assert first.losses() + again.losses() == whole.losses()
    for path in sorted((tmp_path / "whole" / "iter_0000060").iterdir()):
        assert_same(
            all_tensors(tmp_path / "saved", 60, path.name), all_tensors(tmp_path / "whole", 60, path.name)
        )


def test_a_second_signal_ends_at_once(tmp_path: Path, launch: Launch) -> None:
    # A step that nobody waits for: one micro batch after another.
    job = tiny_job(tmp_path, dp=2, global_batch_size=40_000, train_iterations=FOR_EVER)
    launched = launch(job)
    launched.wait_for(lambda: any("training ..." in line for line in launched.lines))
    ranks = launched.ranks()
    launched.process.terminate()
    time.sleep(1.0)
    assert launched.process.poll() is None
    before = time.monotonic()
    launched.process.terminate()
    assert launched.end() == 143
    assert time.monotonic() - before < 10.0
    assert gone(ranks)
    assert launched.rank_exits() == []
    assert not (tmp_path / "saved").exists()


def test_patience_ends(tmp_path: Path, launch: Launch) -> None:
    job = tiny_job(tmp_path, global_batch_size=40_000, train_iterations=FOR_EVER)
    launched = launch(job, NPUDECK_STOP_PATIENCE_S=1)
    launched.wait_for(lambda: any("training ..." in line for line in launched.lines))
    launched.process.terminate()
    assert launched.end() == 143
    assert launched.rank_exits() == []


def test_a_patience_that_is_no_number_is_said(tmp_path: Path, launch: Launch) -> None:
    launched = launch(tiny_job(tmp_path), weights=False, NPUDECK_STOP_PATIENCE_S="soon")
    assert launched.end() == 1
    assert [problem["field"] for problem in launched.problems()] == ["NPUDECK_STOP_PATIENCE_S"]


def test_before_the_first_step_nothing_is_lost(tmp_path: Path, launch: Launch) -> None:
    launched = launch(tiny_job(tmp_path, train_iterations=FOR_EVER))
    launched.wait_for(lambda: bool(launched.ranks()))
    launched.process.terminate()
    status = launched.end()
    # Python may not have taken the signal over yet; else the first step is made and saved.
    assert status in (75, 143), "".join(launched.lines)
    assert (status == 75) == (tmp_path / "saved").exists()
    assert launched.rank_exits() == launched.problems() == []
