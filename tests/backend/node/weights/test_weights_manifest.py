"""When a result is still the one that is asked for, and what is said where it is not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from random_llama import quiet, to_model_job, to_tree_job, write_llama

from backend.node.job_lines import JobError
from backend.node.weights import convert, reshard, to_hf, to_megatron
from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.inspect_weights import inspect_weights
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.verify_weights import verify_weights


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_llama(tmp_path / "hf")


@pytest.fixture
def tree(model: Path, tmp_path: Path) -> Path:
    to_megatron.run(to_tree_job(model, tmp_path / "tree"), quiet)
    return tmp_path / "tree"


def why(job: dict[str, Any], run: Any = to_megatron.run) -> str:
    with pytest.raises(JobError) as caught:
        run(job, quiet)
    assert caught.value.field == "output_directory"
    return caught.value.why


def save_later(tree: Path) -> None:
    """As a training that saves into the folder that it started from."""
    shutil.copytree(tree / "iter_0000001", tree / "iter_0000500")
    (tree / "latest_checkpointed_iteration.txt").write_text("500")


def test_a_training_has_saved_into_it(model: Path, tree: Path) -> None:
    save_later(tree)
    for overwrite in (False, True):
        with pytest.raises(JobError, match="checkpoints of a training"):
            to_megatron.run(to_tree_job(model, tree, overwrite=overwrite), quiet)
    report = inspect_weights(str(tree))
    assert (report["iteration"], report["made_from"]) == (500, None)


def test_the_tracker_names_another_one(model: Path, tree: Path) -> None:
    (tree / "latest_checkpointed_iteration.txt").write_text("release")
    assert "its tracker names another one" in why(to_tree_job(model, tree))


def test_settings_that_differ_are_named(model: Path, tree: Path) -> None:
    said = why(to_tree_job(model, tree, tensor_parallel=1, format="legacy"))
    assert said == "TP was 2, now 1; format was not given, now legacy"


def test_a_source_that_differs_is_named(model: Path, tree: Path) -> None:
    os.utime(model / "config.json", (5, 5))
    write_llama(model, seed=3)
    said = why(to_tree_job(model, tree))
    assert "model.safetensors has changed since" in said
    assert "config.json was written again since" in said


def test_a_source_elsewhere_is_named(model: Path, tree: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "moved")
    said = why(to_tree_job(tmp_path / "moved", tree))
    assert f"hf directory was {model}, now {tmp_path / 'moved'}" in said


def test_a_file_of_it_that_differs_is_named(model: Path, tree: Path) -> None:
    next(tree.rglob("mp_rank_01_001/*.pt")).unlink()
    assert "iter_0000001/mp_rank_01_001/model_optim_rng.pt in it is missing" in why(to_tree_job(model, tree))


def test_another_command_is_named(model: Path, tree: Path, tmp_path: Path) -> None:
    job = {"megatron_directory": str(tree), "output_directory": str(tmp_path / "other")}
    reshard.run(job, quiet)
    assert "reshard made it, not to-megatron" in why(to_tree_job(model, tmp_path / "other"))


@pytest.mark.parametrize("change", [{"tensor_parallel": 1}, {"format": "legacy", "overwrite": True}])
def test_a_dry_run_ends_as_the_real_one(model: Path, tree: Path, change: dict[str, Any]) -> None:
    (tree / "notes").write_text("mine")
    real, dry = (to_tree_job(model, tree, dry_run=dry, **change) for dry in (False, True))
    assert why(dry) == why(real)


def test_a_dry_run_of_what_is_there_already_is_fine(model: Path, tree: Path, tmp_path: Path) -> None:
    to_megatron.run(to_tree_job(model, tree, dry_run=True), quiet)
    to_hf.run(to_model_job(tree, model, tmp_path / "back"), quiet)
    to_hf.run(to_model_job(tree, model, tmp_path / "back", dry_run=True), quiet)
    assert "dtype" in why(to_model_job(tree, model, tmp_path / "back", dtype="fp32", dry_run=True), to_hf.run)


def test_what_a_killed_command_moved_aside_is_put_back(model: Path, tree: Path) -> None:
    tree.rename(f"{tree}.npudeck-old-1-0123abcd")
    assert to_megatron.run(to_tree_job(model, tree), quiet).up_to_date
    assert tree.is_dir()


def test_who_reads_it_is_told_where_it_is(model: Path, tree: Path, tmp_path: Path) -> None:
    aside = f"{tree}.npudeck-old-1-0123abcd"
    tree.rename(aside)
    readers = [
        lambda: inspect_weights(str(tree)),
        lambda: MegatronTree(str(tree)),
        lambda: HfFolder(str(tree)),
        lambda: to_hf.run(to_model_job(tree, model, tmp_path / "back"), quiet),
        lambda: verify_weights(str(model), str(tree)),
    ]
    for read in readers:
        with pytest.raises(JobError, match="no such folder") as caught:
            read()
        assert aside in caught.value.why
    assert not tree.exists()


def test_a_manifest_of_another_form_is_no_traceback(model: Path, tree: Path, tmp_path: Path) -> None:
    for content in ('{"format": 1, "made_from": {"settings": 7}}', '{"format": 1, "made_from": 5}'):
        (tree / "npudeck.manifest.json").write_text(content)
        assert inspect_weights(str(tree))["made_from"] is None
        with pytest.raises(JobError):
            to_megatron.run(to_tree_job(model, tree), quiet)
        to_hf.run(to_model_job(tree, model, tmp_path / "back", overwrite=True), quiet)


@pytest.mark.parametrize("model_part", ['"x"', "{}", '{"rope_theta": "x", "vocab": "5", "family": 7}'])
def test_a_described_model_of_another_form_is_left_aside(tree: Path, model_part: str) -> None:
    import json

    path = tree / "npudeck.manifest.json"
    found = json.loads(path.read_text())
    described = json.loads(model_part)
    found["model"] = {**found["model"], **described} if isinstance(described, dict) else described
    path.write_text(json.dumps(found))
    assert inspect_weights(str(tree))["complete"]


def test_the_stage_does_not_start_from_another_iteration(model: Path, tree: Path) -> None:
    save_later(tree)
    job = {**to_tree_job(model, tree), "architecture": {}, "layers_per_stage": [2, 2], "format": "mcore"}
    with pytest.raises(JobError):
        convert.run(job, quiet)
