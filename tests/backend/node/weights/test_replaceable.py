"""What --overwrite must never take away: trainings, adapters, other people's files."""

from __future__ import annotations

import json
import os
import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from random_llama import bytes_of, quiet, random_bf16, to_model_job, to_tree_job, write_llama

from backend.node.job_lines import JobError
from backend.node.weights import to_hf, to_megatron
from backend.node.weights.arrays import Planned
from backend.node.weights.check_files import check_files
from backend.node.weights.pt_file import PtFile
from backend.node.weights.pt_writer import write_pt
from backend.node.weights.replaceable import check_replaceable


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_llama(tmp_path / "hf")


@pytest.fixture
def tree(model: Path, tmp_path: Path) -> Path:
    to_megatron.run(to_tree_job(model, tmp_path / "tree"), quiet)
    return tmp_path / "tree"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(folder: Path, model: Path, first: str) -> JobError:
    """Over it nothing is written, and the first entry that stands in the way is named."""
    before = snapshot(folder)
    with pytest.raises(JobError) as caught:
        to_megatron.run(to_tree_job(model, folder, overwrite=True, tensor_parallel=1), quiet)
    assert first in caught.value.what + caught.value.why, (caught.value.what, caught.value.why)
    assert "remove this one yourself" in caught.value.fix
    assert snapshot(folder) == before
    return caught.value


def without_manifest(folder: Path) -> Path:
    (folder / "npudeck.manifest.json").unlink()
    return folder


def saved_anew(path: Path, names: str = "", **changes: Any) -> None:
    """A rank's file as a training would leave it; `names`: what is added to those of its tensors."""
    file = PtFile(str(path))
    arrays = {name: file.get(name) for name in file.names()}
    content: dict[str, Any] = {**file.content, **changes}
    content["args"] = Namespace(**{**file.content["args"], **content.pop("args", {})})
    content["model"] = {
        name[len("model/") :] + names: Planned(name, tuple(array.data.shape), array.dtype)
        for name, array in arrays.items()
    }
    if "optimizer" in changes:
        arrays["state"] = random_bf16((4,), 1)
        content["optimizer"] = {"state": Planned("state", (4,), "bf16")}
    write_pt(str(path), content, arrays.__getitem__)


def test_what_npudeck_made_is_replaced(model: Path, tree: Path, tmp_path: Path) -> None:
    to_megatron.run(to_tree_job(model, tree, overwrite=True, tensor_parallel=1), quiet)
    to_hf.run(to_model_job(tree, model, tmp_path / "back"), quiet)
    to_hf.run(to_model_job(tree, model, tmp_path / "back", dtype="fp32", overwrite=True), quiet)


@pytest.mark.parametrize("inside", ["notes.txt", "saved/notes", "iter_0000001/mp_rank_00_000/a", ".git/x"])
def test_a_file_beside_what_npudeck_made_stays(model: Path, tree: Path, inside: str) -> None:
    (tree / inside).parent.mkdir(exist_ok=True)
    (tree / inside).write_text("precious")
    refused(tree, model, inside)


def test_an_empty_folder_beside_it_is_named_too(model: Path, tree: Path) -> None:
    (tree / "runs").mkdir()
    refused(tree, model, "runs")


@pytest.mark.parametrize("with_manifest", [True, False])
@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": {}},
        {"iteration": 500},
        {"args": {"consumed_train_samples": 64}},
        {"rng_state": [1]},
    ],
)
def test_a_training_saved_at_the_first_iteration_stays(
    model: Path, tree: Path, changes: dict[str, Any], with_manifest: bool
) -> None:
    for path in tree.rglob("*.pt"):
        saved_anew(path, **changes)
    if not with_manifest:
        without_manifest(tree)
    refused(tree, model, "a checkpoint of a training")


def test_an_adapter_of_a_training_stays(model: Path, tree: Path) -> None:
    for path in tree.rglob("*.pt"):
        saved_anew(path, names=".lora_A.default.weight")
    refused(without_manifest(tree), model, "a LoRA adapter")


def test_an_adapter_of_peft_stays(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (folder / "adapter_model.safetensors").write_text("")
    refused(folder, model, "adapter_model.safetensors")


def test_a_bare_tree_is_replaced(model: Path, tree: Path) -> None:
    to_megatron.run(to_tree_job(model, without_manifest(tree), overwrite=True, tensor_parallel=1), quiet)


def test_a_bare_tree_with_something_beside_stays(model: Path, tree: Path) -> None:
    (without_manifest(tree) / "iter_0000001" / "mp_rank_00_000" / "distrib_optim.pt").write_text("")
    refused(tree, model, "distrib_optim.pt")


def test_a_rank_that_cannot_be_read_is_not_guessed_about(model: Path, tree: Path) -> None:
    next(without_manifest(tree).rglob("*.pt")).write_text("cut short")
    refused(tree, model, "model_optim_rng.pt")


def test_a_damaged_result_of_ours_is_replaced(model: Path, tree: Path) -> None:
    path = next(tree.rglob("*.pt"))
    path.write_bytes(path.read_bytes()[:-100])
    to_megatron.run(to_tree_job(model, tree, overwrite=True), quiet)


def test_a_plain_model_is_replaced(model: Path, tree: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "copy"))
    for name in ("README.md", "LICENSE", "tokenizer.model", "modeling_x.py", "merges.txt", ".gitattributes"):
        (folder / name).write_text("")
    to_hf.run(to_model_job(tree, model, folder, overwrite=True), quiet)
    assert (folder / "npudeck.manifest.json").exists()


@pytest.mark.parametrize("inside", ["src/main.c", ".git/HEAD", "saved/latest.txt", "run.sh", "data.parquet"])
def test_a_model_with_something_else_stays(model: Path, tmp_path: Path, inside: str) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "copy"))
    (folder / inside).parent.mkdir(exist_ok=True)
    (folder / inside).write_text("precious")
    refused(folder, model, inside.partition("/")[0])


def test_a_checkpoint_inside_a_model_stays(model: Path, tree: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "copy"))
    shutil.copytree(tree, folder / "saved")
    refused(folder, model, "saved")


def test_a_config_of_another_program_makes_no_model(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "config.json").write_text('{"port": 8080}')
    refused(folder, model, "config.json")


def test_files_beside_weights_never_replace_weights(model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "copy"))
    before = bytes_of(folder)
    with pytest.raises(JobError, match=r"also holds model\.safetensors"):
        check_files(str(model), str(folder), overwrite=True)
    assert bytes_of(folder) == before
    check_files(str(model), str(tmp_path / "files"))
    again = check_files(str(model), str(tmp_path / "files"), overwrite=True)
    assert sorted(os.listdir(tmp_path / "files")) == sorted([*again["written"], "npudeck.manifest.json"])


@pytest.mark.parametrize("content", ["5", '{"format": 1, "made_from": {"settings": 7}}', '{"format": 1}'])
def test_a_manifest_of_another_form_is_none(model: Path, tree: Path, content: str) -> None:
    (tree / "npudeck.manifest.json").write_text(content)
    with pytest.raises(JobError, match=r"is not empty|holds weights|also holds"):
        to_megatron.run(to_tree_job(model, tree), quiet)


def test_a_manifest_cannot_point_outside(tree: Path) -> None:
    path = tree / "npudeck.manifest.json"
    found = json.loads(path.read_text())
    found["outputs"].append({"path": "../hf/config.json", "size": 3})
    path.write_text(json.dumps(found))
    with pytest.raises(JobError, match=r"also holds npudeck\.manifest\.json"):
        check_replaceable(str(tree))
