"""The launcher's ranks live and die together, and it says which one went first."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from native_cases import free_port, start_launcher, tiny_job, whole_weights, write_data, write_weights

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

DEADLINE_S = 60.0


class Launched:
    """A launcher, its ranks by global rank, and the lines it has printed so far."""

    def __init__(self, job_file: Path, **environment: object) -> None:
        self.process = start_launcher(job_file, **environment)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        self.lines.extend(iter(self.process.stdout.readline, ""))

    def ranks(self) -> dict[int, psutil.Process]:
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with_rank = child.environ().get("RANK")
            if with_rank is not None:
                found[int(with_rank)] = child
        return found

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, "".join(self.lines)
            assert self.process.poll() is None, "".join(self.lines)
            time.sleep(0.02)

    def wait_for_iteration(self) -> None:
        self.wait_for(lambda: any(" iteration " in line for line in self.lines))

    def end(self) -> int:
        status = self.process.wait(timeout=DEADLINE_S)
        self._reader.join(timeout=DEADLINE_S)
        return status

    def json_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def rank_exits(self) -> list[dict[str, Any]]:
        return [line["rank_exit"] for line in self.json_lines() if "rank_exit" in line]

    def problems(self) -> list[dict[str, Any]]:
        return [line for line in self.json_lines() if "what" in line]


Launch = Callable[..., Launched]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    started: list[Launched] = []

    def start(job: dict[str, Any], weights: bool = True, **environment: object) -> Launched:
        write_data(tmp_path)
        if weights:
            write_weights(tmp_path, job, whole_weights(job["architecture"]))
        job_file = tmp_path / "job.json"
        job_file.write_text(json.dumps(job))
        started.append(Launched(job_file, **environment))
        return started[-1]

    yield start
    for launched in started:
        if launched.process.poll() is None:
            launched.process.kill()
            launched.process.wait()


def gone(processes: dict[int, psutil.Process]) -> bool:
    return not any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes.values()
    )


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
    assert launched.end() == 143
    assert launched.rank_exits() == []
    assert gone(ranks)


def test_ranks_do_not_outlive_the_launcher(tmp_path: Path, launch: Launch) -> None:
    launched = launch(tiny_job(tmp_path, train_iterations=1_000_000))
    launched.wait_for_iteration()
    ranks = launched.ranks()
    launched.process.kill()
    launched.process.wait()
    deadline = time.monotonic() + 10.0
    while not gone(ranks):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_resumes_exactly_where_it_was(tmp_path: Path, launch: Launch) -> None:
    whole = launch(tiny_job(tmp_path, train_iterations=4, save_interval=2))
    assert whole.end() == 0, "".join(whole.lines)
    tracker = tmp_path / "saved" / "latest_checkpointed_iteration.txt"
    assert tracker.read_text() == "4"
    tracker.write_text("2")
    again = launch(tiny_job(tmp_path, train_iterations=4, save_interval=2))
    assert again.end() == 0, "".join(again.lines)

    def losses(launched: Launched) -> list[tuple[str, ...]]:
        """Iteration, samples, rate, loss and norm of each line; not the clock."""
        lines = [line.split("|") for line in launched.lines if " iteration " in line and "|" in line]
        return [(parts[0].split("]")[1], parts[1], parts[3], parts[5], parts[7]) for parts in lines]

    assert len(losses(whole)) == 4
    assert losses(again) == losses(whole)[2:]
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
    assert launched.problems()[0]["field"] == "datasets"


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
