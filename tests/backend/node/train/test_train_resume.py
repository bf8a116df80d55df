"""A run that goes on continues the exact sequence, and its checkpoints are whole at every moment."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from native_cases import rank_environment, tiny_job, whole_weights, write_data, write_weights
from one_rank import all_tensors, assert_same, one_rank, train

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_rank")]
__all__ = ["one_rank"]


def prepare(folder: Path, **changes: Any) -> dict[str, Any]:
    job = tiny_job(folder, **changes)
    write_data(folder)
    write_weights(folder, job, whole_weights(job["architecture"]))
    return job


def losses(printed: str) -> list[str]:
    return [line.split("|")[5] for line in printed.splitlines() if line.startswith(" [")]


def tracker(job: dict[str, Any]) -> Path:
    return Path(job["save_directory"]) / "latest_checkpointed_iteration.txt"


def iterations(job: dict[str, Any]) -> list[int]:
    return sorted(int(path.name[5:]) for path in Path(job["save_directory"]).glob("iter_*"))


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(
    dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = prepare(tmp_path, dtype=dtype, save_interval=3)
    train(job)
    whole = losses(capsys.readouterr().out)
    saved = Path(job["save_directory"])
    expected = all_tensors(saved, 6)
    shutil.rmtree(saved / "iter_0000006")
    tracker(job).write_text("3")
    torch.manual_seed(99)
    train(job)
    assert losses(capsys.readouterr().out) == whole[3:]
    assert_same(all_tensors(saved, 6), expected)
    assert tracker(job).read_text() == "6"


def test_random_numbers_go_on(tmp_path: Path) -> None:
    job = prepare(tmp_path, train_iterations=1)
    train(job)
    torch.rand(5)
    expected = torch.rand(3)
    train({**job, "train_iterations": 2})
    torch.rand(5)
    assert torch.equal(torch.rand(3), expected)


def test_a_finished_run_is_not_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = prepare(tmp_path, train_iterations=2)
    train(job)
    before = all_tensors(Path(job["save_directory"]), 2)
    capsys.readouterr()
    train(job)
    assert losses(capsys.readouterr().out) == []
    assert_same(all_tensors(Path(job["save_directory"]), 2), before)


def test_a_start_over_checkpoints_without_a_tracker_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = prepare(tmp_path, train_iterations=2)
    train(job)
    assert "WARNING" not in capsys.readouterr().out
    tracker(job).unlink()
    train(job)
    printed = capsys.readouterr().out
    assert f"WARNING: could not find the metadata file {tracker(job)}" in printed
    assert len(losses(printed)) == 2


def test_only_the_newest_are_kept_and_only_own_ones_removed(tmp_path: Path) -> None:
    job = prepare(tmp_path, train_iterations=5, save_interval=1, keep_last=2)
    saved = Path(job["save_directory"])
    foreign = saved / "iter_0000009" / "mp_rank_00" / "model_optim_rng.pt"
    beside = saved / "iter_0000002" / "notes.txt"
    for path in (foreign, beside):
        path.parent.mkdir(parents=True)
        path.write_text("mine")
    train(job)
    assert iterations(job) == [2, 4, 5, 9]
    assert (foreign.read_text(), beside.read_text()) == ("mine", "mine")
    assert [path.name for path in (saved / "iter_0000002").iterdir()] == ["notes.txt"]
    # Those of the run before the resume count too.
    train({**job, "train_iterations": 6})
    assert iterations(job) == [2, 5, 6, 9]


def test_all_are_kept_unless_the_job_says_otherwise(tmp_path: Path) -> None:
    job = prepare(tmp_path, train_iterations=3, save_interval=1)
    train(job)
    assert iterations(job) == [1, 2, 3]


KILLED = """
import json, os, signal, sys
sys.path.insert(0, {here!r})
import torch
import torch.distributed as dist
from one_rank import train
job = json.load(open(sys.argv[1]))
moment, trackers = sys.argv[2], []
replace = os.replace
def killed(source, target):
    # A save renames its file, then the tracker; the second save is the one that is hit.
    name = "tracker" if target.endswith(".txt") else "file"
    if trackers and moment == "before " + name:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
    if trackers and moment == "after " + name:
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "tracker":
        trackers.append(target)
os.replace = killed
torch.set_num_threads(1)
dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
train(job)
"""


def test_a_kill_at_any_moment_of_a_save_leaves_a_whole_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = prepare(tmp_path, train_iterations=4, save_interval=1)
    train(whole)
    expected = all_tensors(Path(whole["save_directory"]), 4)
    code = KILLED.format(here=str(Path(__file__).parent))
    moments = {"before file": "1", "after file": "1", "before tracker": "1", "after tracker": "2"}
    jobs, running = {}, {}
    for moment in moments:
        jobs[moment] = {**whole, "save_directory": str(tmp_path / moment.replace(" ", "-"))}
        path = tmp_path / f"{moment.replace(' ', '-')}.json"
        path.write_text(json.dumps(jobs[moment]))
        running[moment] = subprocess.Popen(
            [sys.executable, "-c", code, str(path), moment],
            env=rank_environment(GLOO_SOCKET_IFNAME="lo"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    for moment, process in running.items():
        printed = process.communicate(timeout=180)[0]
        assert process.returncode == -9, (moment, printed)
        assert tracker(jobs[moment]).read_text() == moments[moment]
        train(jobs[moment])
        saved = Path(jobs[moment]["save_directory"])
        assert_same(all_tensors(saved, 4), expected)
        assert list(saved.rglob("*.pt.tmp-*")) == []
    capsys.readouterr()
