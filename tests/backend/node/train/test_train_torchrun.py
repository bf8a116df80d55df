"""The ranks do the same below torchrun as below the launcher."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from native_cases import (
    ROOT,
    free_port,
    rank_environment,
    tiny_job,
    whole_weights,
    write_data,
    write_weights,
)

from backend.telemetry.training_log import parse_log

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

Torchrun = Callable[..., subprocess.Popen[str]]
DEADLINE_S = 180.0


@pytest.fixture
def torchrun(tmp_path: Path) -> Iterator[Torchrun]:
    started: list[subprocess.Popen[str]] = []

    def start(job: dict[str, Any], processes: int) -> subprocess.Popen[str]:
        write_data(tmp_path)
        write_weights(tmp_path, job, whole_weights(job["architecture"]))
        (tmp_path / "job.json").write_text(json.dumps(job))
        started.append(
            subprocess.Popen(
                [
                    *(sys.executable, "-u", "-m", "torch.distributed.run"),
                    *("--nproc-per-node", str(processes), "--master-port", str(free_port())),
                    *("-m", "backend.node.main", "train-rank", str(tmp_path / "job.json")),
                ],
                cwd=ROOT,
                env=rank_environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        # It ends its ranks.
        process.terminate()
        process.wait(DEADLINE_S)


def test_torchrun_stops_and_goes_on(tmp_path: Path, torchrun: Torchrun) -> None:
    job = tiny_job(tmp_path, pp=2, train_iterations=1_000_000)
    process = torchrun(job, 2)
    assert process.stdout
    printed = []
    for line in process.stdout:
        printed.append(line)
        if line.startswith(" ["):
            break
    process.terminate()
    printed += process.communicate(timeout=DEADLINE_S)[0].splitlines(keepends=True)
    stopped = int((tmp_path / "saved" / "latest_checkpointed_iteration.txt").read_text())
    found = parse_log("".join(printed))
    assert found["iterations"][-1]["iteration"] == stopped
    assert found["checkpoints"] == [{"iteration": stopped, "path": str(tmp_path / "saved")}]
    again = torchrun({**job, "train_iterations": stopped + 1}, 2)
    output = again.communicate(timeout=DEADLINE_S)[0]
    assert again.returncode == 0, output
    assert [one["iteration"] for one in parse_log(output)["iterations"]] == [stopped + 1]


def test_torchrun_with_another_number_of_ranks_is_said(
    tmp_path: Path, torchrun: Callable[..., subprocess.Popen[str]]
) -> None:
    process = torchrun(tiny_job(tmp_path, pp=2), 1)
    output = process.communicate(timeout=DEADLINE_S)[0]
    assert process.returncode != 0
    (problem,) = [json.loads(line) for line in output.splitlines() if line.startswith('{"field"')]
    assert problem["field"] == "data_parallel"
    assert "1 ranks are started" in problem["what"]


def test_a_failing_rank_takes_the_others_along_and_speaks_alone(tmp_path: Path, torchrun: Torchrun) -> None:
    process = torchrun(tiny_job(tmp_path, dp=2, architecture={"vocab": 50}), 2)
    output = process.communicate(timeout=DEADLINE_S)[0]
    assert process.returncode != 0
    problems = [json.loads(line) for line in output.splitlines() if line.startswith('{"field"')]
    assert {problem["field"] for problem in problems} == {"datasets.0.prefix"}
