"""The launcher's ranks live and die together, and it says which one went first."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from launched import Launched, gone, wait_until_gone
from native_cases import free_port, tiny_job

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

Launch = Callable[..., Launched]


def test_a_killed_rank_ends_all_and_is_named(tmp_path: Path, launch: Launch) -> None:
    launched = launch(tiny_job(tmp_path, tp=2, train_iterations=1_000_000))
    launched.wait_for_iteration()
    ranks = launched.ranks()
    before = time.monotonic()
    at = time.time()
    os.kill(ranks[1].pid, signal.SIGKILL)
    assert launched.end() == 137
    assert time.monotonic() - before < 10.0
    (failure,) = launched.rank_exits()
    assert failure.pop("at") == pytest.approx(at, abs=5.0)
    assert failure == {"rank": 1, "local_rank": 1, "exit_code": 137, "signal": "SIGKILL"}
    assert gone(ranks)


def test_stopping_ends_all_and_blames_nobody(tmp_path: Path, launch: Launch) -> None:
    launched = launch(tiny_job(tmp_path, dp=2, train_iterations=1_000_000))
    launched.wait_for_iteration()
    ranks = launched.ranks()
    launched.process.terminate()
    assert launched.end() == 75
    assert launched.rank_exits() == []
    assert gone(ranks)


def test_ranks_do_not_outlive_the_launcher(tmp_path: Path, launch: Launch) -> None:
    launched = launch(tiny_job(tmp_path, train_iterations=1_000_000))
    launched.wait_for_iteration()
    ranks = launched.ranks()
    launched.process.kill()
    launched.process.wait()
    wait_until_gone(ranks)


def test_resumes_exactly_where_it_was(tmp_path: Path, launch: Launch) -> None:
    whole = launch(tiny_job(tmp_path, train_iterations=4, save_interval=2))
    assert whole.end() == 0, "".join(whole.lines)
    tracker = tmp_path / "saved" / "latest_checkpointed_iteration.txt"
    assert tracker.read_text() == "4"
    tracker.write_text("2")
    again = launch(tiny_job(tmp_path, train_iterations=4, save_interval=2))
    assert again.end() == 0, "".join(again.lines)

    assert len(whole.losses()) == 4
    assert again.losses() == whole.losses()[2:]
    assert any("at iteration 2" in line for line in again.lines)


def test_a_checkpoint_of_another_dtype_is_refused(tmp_path: Path, launch: Launch) -> None:
    assert launch(tiny_job(tmp_path, train_iterations=1)).end() == 0
    launched = launch(tiny_job(tmp_path, train_iterations=2, dtype="bf16"))
    assert launched.end() == 1
    assert launched.problems()[0]["field"] == "save_directory"


def test_divergence_stops_with_one_problem(tmp_path: Path, launch: Launch) -> None:
    job = tiny_job(tmp_path, pp=2, lr=1e30, min_lr=1e30, warmup_iterations=0, clip_grad=0.0)
    launched = launch(job)
    assert launched.end() == 1
    (problem,) = launched.problems()
    assert problem["severity"] == "error"
    assert "loss of iteration" in problem["what"]
    assert not (tmp_path / "saved").exists()


def test_missing_weights_are_one_clear_problem(tmp_path: Path, launch: Launch) -> None:
    launched = launch(tiny_job(tmp_path), weights=False)
    assert launched.end() == 1
    assert launched.problems()[0]["field"] == "load_directory"
    assert not any("Traceback" in line for line in launched.lines)


def test_tokens_outside_the_vocabulary_are_refused(tmp_path: Path, launch: Launch) -> None:
    launched = launch(tiny_job(tmp_path, architecture={"vocab": 50}))
    assert launched.end() == 1
    assert launched.problems()[0]["field"] == "datasets.0.prefix"


def test_a_taken_port_is_said(tmp_path: Path, launch: Launch) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        launched = launch(tiny_job(tmp_path), MASTER_PORT=taken.getsockname()[1])
        assert launched.end() == 1
    assert launched.problems()[0]["field"] == "MASTER_PORT"


@pytest.mark.parametrize(
    ("environment", "field"),
    [
        ({"MASTER_ADDR": ""}, "MASTER_ADDR"),
        ({"NNODES": "two"}, "NNODES"),
        ({"NNODES": "2"}, "data_parallel"),
        ({"NODE_RANK": "1"}, "NODE_RANK"),
    ],
)
def test_a_wrong_environment_is_said_before_any_start(
    tmp_path: Path, launch: Launch, environment: dict[str, str], field: str
) -> None:
    launched = launch(tiny_job(tmp_path), weights=False, **environment)
    assert launched.end() == 1
    assert [problem["field"] for problem in launched.problems()] == [field]


def test_the_launcher_itself_does_not_load_torch(tmp_path: Path) -> None:
    code = (
        "import sys; import backend.node.main, backend.node.train.launcher; "
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    import sys

    from native_cases import rank_environment

    assert subprocess.run([sys.executable, "-c", code], env=rank_environment(), check=False).returncode == 0


def test_two_nodes_on_one_machine(tmp_path: Path, launch: Launch) -> None:
    job = dict(tiny_job(tmp_path, pp=2, train_iterations=2), npus_per_node=1)
    port = free_port()
    nodes = [launch(job, MASTER_PORT=port, NNODES=2, NODE_RANK=rank) for rank in (0, 1)]
    assert [node.end() for node in nodes] == [0, 0], "".join(nodes[0].lines + nodes[1].lines)
    first, last = ("".join(node.lines) for node in nodes)
    assert "training ..." in first
    assert "successfully saved checkpoint at iteration       2" in first
    assert "after training is done" in first
    assert " iteration        2/       2 |" in last
    assert " iteration " not in first.replace("at iteration", "")
