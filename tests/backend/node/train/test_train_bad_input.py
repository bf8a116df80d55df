"""What cannot be trained is said once by the rank concerned, and all ranks are down soon after."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from launched import Launched, gone
from native_cases import tiny_job, whole_weights, write_data, write_weights
from one_rank import one_rank, train

from backend.node.job_lines import JobError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
__all__ = ["one_rank"]

Launch = Callable[..., Launched]


def rank_file(directory: str, iteration: int, name: str) -> Path:
    return Path(directory) / f"iter_{iteration:07d}" / name / "model_optim_rng.pt"


def change(path: Path, key: str, change_tensor: Callable[[Any], None]) -> None:
    from backend.node.weights.safe_load import load_tensors

    content = load_tensors(str(path))
    content["model"][key] = content["model"][key].clone()
    change_tensor(content["model"][key])
    # Its other tensors are mapped from the old file.
    torch.save(content, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def ends_with(launched: Launched, field: str) -> dict[str, Any]:
    """Exactly one rank speaks, the status is not 0, and nothing is left that could be taken for a result."""
    launched.wait_for(lambda: bool(launched.problems()))
    said = time.monotonic()
    ranks = launched.ranks() if launched.process.poll() is None else {}
    assert launched.end() == 1, "".join(launched.lines)
    assert time.monotonic() - said < 10.0
    assert gone(ranks)
    (problem,) = launched.problems()
    assert problem["field"] == field
    assert not any("Traceback" in line for line in launched.lines)
    (failure,) = launched.rank_exits()
    assert failure["exit_code"] == 1
    return problem


def test_a_missing_shard(tmp_path: Path, launch: Launch) -> None:
    job = tiny_job(tmp_path, tp=2, pp=2)
    write_weights(tmp_path, job, whole_weights(job["architecture"]))
    rank_file(job["load_directory"], 1, "mp_rank_01_001").unlink()
    problem = ends_with(launch(job, weights=False), "load_directory")
    assert "mp_rank_01_001" in problem["what"]


def test_values_that_are_not_finite_are_named_by_the_rank_that_reads_them(
    tmp_path: Path, launch: Launch
) -> None:
    job = tiny_job(tmp_path, tp=2)
    write_weights(tmp_path, job, whole_weights(job["architecture"]))
    key = "decoder.layers.2.mlp.linear_fc1.weight"
    change(rank_file(job["load_directory"], 1, "mp_rank_01"), key, lambda tensor: tensor[3].fill_(torch.nan))
    launched = launch(job, weights=False)
    problem = ends_with(launched, "load_directory")
    assert key in problem["what"]
    assert launched.rank_exits()[0]["rank"] == 1


def test_a_loss_that_is_no_number(tmp_path: Path, launch: Launch) -> None:
    job = tiny_job(tmp_path, dp=2)
    whole = whole_weights(job["architecture"])
    # Finite, and too large for the logits that come of it.
    whole["output_layer.weight"].fill_(3e38)
    write_weights(tmp_path, job, whole)
    launched = launch(job, weights=False)
    problem = ends_with(launched, "lr")
    assert "loss of iteration 1" in problem["what"]
    guards = [line for line in launched.lines if "found NaN in local forward loss calculation" in line]
    assert sorted(line.partition(":")[0] for line in guards) == ["Rank 0", "Rank 1"]
    assert "Device: cpu, node: " in guards[0]
    assert not (tmp_path / "saved").exists()


def test_a_half_checkpoint_is_not_taken_for_a_whole_one(tmp_path: Path, launch: Launch) -> None:
    job = tiny_job(tmp_path, tp=2, train_iterations=1)
    assert launch(job).end() == 0
    rank_file(job["save_directory"], 1, "mp_rank_01").unlink()
    problem = ends_with(launch({**job, "train_iterations": 2}), "save_directory")
    assert "mp_rank_01" in problem["what"]


def test_a_disk_that_takes_no_checkpoint(tmp_path: Path, launch: Launch) -> None:
    job = tiny_job(tmp_path, tp=2, train_iterations=1)
    (tmp_path / "saved" / "iter_0000001").mkdir(parents=True)
    # The folder of rank 1 is a file: that rank alone cannot write.
    (tmp_path / "saved" / "iter_0000001" / "mp_rank_01").write_text("")
    problem = ends_with(launch(job), "save_directory")
    assert "mp_rank_01" in problem["what"]
    assert not (tmp_path / "saved" / "latest_checkpointed_iteration.txt").exists()


@pytest.mark.usefixtures("one_rank")
class TestOneRank:
    """The same messages, without the processes."""

    def refused(self, job: dict[str, Any], field: str) -> JobError:
        with pytest.raises(JobError) as caught:
            train(job)
        assert caught.value.field == field
        assert not Path(job["save_directory"]).joinpath("latest_checkpointed_iteration.txt").exists()
        return caught.value

    def prepare(self, folder: Path, **changes: Any) -> dict[str, Any]:
        job = tiny_job(folder, **changes)
        write_data(folder)
        write_weights(folder, job, whole_weights(job["architecture"]))
        return job

    def test_weights_for_another_layout(self, tmp_path: Path) -> None:
        other = self.prepare(tmp_path, tp=2, pp=2)
        job = {**tiny_job(tmp_path), "load_directory": other["load_directory"]}
        error = self.refused(job, "load_directory")
        assert "was made for TP 2, PP 2" in error.what
        assert error.why == "this run has TP 1, PP 1"

    def test_weights_for_other_stages(self, tmp_path: Path) -> None:
        from backend.node.train.train_job_reader import read_train_job
        from backend.node.train.tree_weights import check_tree

        job = self.prepare(tmp_path, pp=2, layers_per_stage=[3, 1])
        with pytest.raises(JobError, match=r"has 3\+1 layers on its stages"):
            check_tree(job["load_directory"], read_train_job({**job, "layers_per_stage": [2, 2]}))

    def test_no_weights(self, tmp_path: Path) -> None:
        write_data(tmp_path)
        self.refused(tiny_job(tmp_path), "load_directory")

    def test_a_damaged_file(self, tmp_path: Path) -> None:
        job = self.prepare(tmp_path)
        path = rank_file(job["load_directory"], 1, "mp_rank_00")
        path.write_bytes(path.read_bytes()[:-500])
        assert str(path) in self.refused(job, "load_directory").what

    def test_no_data(self, tmp_path: Path) -> None:
        job = self.prepare(tmp_path)
        Path(job["datasets"][0]["prefix"] + ".bin").unlink()
        self.refused(job, "datasets.0.prefix")

    def test_empty_data(self, tmp_path: Path) -> None:
        job = self.prepare(tmp_path)
        write_empty_data(Path(job["datasets"][0]["prefix"]))
        self.refused(job, "datasets.0.prefix")

    def test_a_tracker_that_names_nothing(self, tmp_path: Path) -> None:
        job = self.prepare(tmp_path, train_iterations=1)
        train(job)
        (tmp_path / "saved" / "latest_checkpointed_iteration.txt").write_text("")
        with pytest.raises(JobError, match="does not name a checkpoint") as caught:
            train(job)
        assert caught.value.field == "save_directory"

    def test_a_checkpoint_of_another_engine_is_not_resumed(self, tmp_path: Path) -> None:
        job = self.prepare(tmp_path)
        job["save_directory"] = job["load_directory"]
        with pytest.raises(JobError, match="cannot resume") as caught:
            train(job)
        assert caught.value.field == "save_directory"


def write_empty_data(prefix: Path) -> None:
    import struct

    Path(f"{prefix}.bin").write_bytes(b"")
    bounds = struct.pack("<q", 0)
    Path(f"{prefix}.idx").write_bytes(struct.pack("<9sQBQQ", b"MMIDIDX\x00\x00", 1, 4, 0, 1) + bounds)


def test_problems_are_json_for_programs(tmp_path: Path, launch: Launch) -> None:
    launched = launch(tiny_job(tmp_path, load_directory=str(tmp_path / "nowhere")), weights=False)
    assert launched.end() == 1
    (line,) = [line for line in launched.lines if '"what"' in line]
    assert set(json.loads(line)) == {"field", "severity", "what", "why", "fix"}
