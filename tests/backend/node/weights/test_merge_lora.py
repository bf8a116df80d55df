"""Merges of the reference adapters, to Megatron and to Hugging Face, bit for bit; what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.node.job_lines import JobError
from backend.node.weights import lora_tree, merge_lora, to_hf
from backend.node.weights.arrays import Array, Planned
from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.lora_tree import LoraSettings, MergedTree
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.progress import Progress
from backend.node.weights.pt_file import PtFile
from backend.node.weights.pt_writer import write_pt

GOLDEN = Path(__file__).resolve().parents[4] / ".." / "shared" / "golden" / "checkpoints" / "llama2"

if not GOLDEN.is_dir():
    pytest.skip("the reference trees are not on this machine", allow_module_level=True)

CASES = sorted(GOLDEN.glob("lora_*"))
SAID = {
    "lora_legacy_tp2pp2": (4, 8, ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]),
    "lora_mcore_tp2pp1": (8, 16, ["linear_qkv", "linear_proj", "linear_fc1", "linear_fc2"]),
}


def job(case: Path, output: Path, **changes: Any) -> dict[str, Any]:
    rank, alpha, targets = SAID[case.name]
    return {
        "megatron_directory": str(case / "megatron"),
        "lora_directory": str(case / "lora"),
        "output_directory": str(output),
        "lora_r": rank,
        "lora_alpha": alpha,
        "lora_target_modules": targets,
        **changes,
    }


def quiet(_progress: Progress) -> None:
    """Nobody is told."""


def content(source: Any, name: str) -> tuple[str, tuple[int, ...], bytes]:
    array: Array = source.get(name)
    return array.dtype, array.data.shape, array.data.tobytes()


def trees_equal(one: Path, other: Path) -> None:
    first, second = MegatronTree(str(one)), MegatronTree(str(other))
    assert first.folder.ranks.keys() == second.folder.ranks.keys()
    for rank in first.folder.ranks:
        names = set(first.names(*rank))
        assert names == set(second.names(*rank))
        for name in names:
            assert content(first.rank(*rank), name) == content(second.rank(*rank), name), name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_merged_tree_is_the_reference_s(case: Path, tmp_path: Path) -> None:
    merge_lora.run(job(case, tmp_path / "merged"), quiet)
    trees_equal(tmp_path / "merged", case / "megatron_merged")
    assert MegatronTree(str(case / "megatron")).format == MegatronTree(str(tmp_path / "merged")).format


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_merged_model_is_the_reference_s(case: Path, tmp_path: Path) -> None:
    to_hf.run(job(case, tmp_path / "hf", like_directory=str(case / "hf")), quiet)
    found, wanted = HfFolder(str(tmp_path / "hf")), HfFolder(str(case / "hf_back"))
    assert set(found.names()) == set(wanted.names())
    for name in wanted.names():
        assert content(found, name) == content(wanted, name), name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_the_adapter_says_need_not_be_said(case: Path, tmp_path: Path) -> None:
    unsaid = {"lora_r": None, "lora_alpha": None, "lora_target_modules": None}
    merge_lora.run(job(case, tmp_path / "merged", **unsaid), quiet)
    trees_equal(tmp_path / "merged", case / "megatron_merged")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_another_layout_comes_out_of_the_same_merge(case: Path, tmp_path: Path) -> None:
    merge_lora.run(job(case, tmp_path / "one", tensor_parallel=1, pipeline_parallel=1), quiet)
    to_hf.run(
        {
            "megatron_directory": str(tmp_path / "one"),
            "like_directory": str(case / "hf"),
            "output_directory": str(tmp_path / "hf"),
        },
        quiet,
    )
    found, wanted = HfFolder(str(tmp_path / "hf")), HfFolder(str(case / "hf_back"))
    assert all(content(found, name) == content(wanted, name) for name in wanted.names())


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"lora_r": 16}, "lora_r", "has rank 4, not 16"),
        ({"lora_alpha": 32}, "lora_alpha", "trained with alpha 8, not 32"),
        ({"lora_target_modules": ["dense"]}, "lora_target_modules", "the adapter changes dense"),
        ({"lora_directory": None}, "lora_directory", "does not say lora_directory"),
        ({"lora_directory": "/nowhere"}, "lora_directory", "no such folder"),
    ],
)
def test_what_is_not_the_adapter_s_is_refused(
    tmp_path: Path, changes: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(JobError, match=message) as caught:
        merge_lora.run(job(CASES[0], tmp_path / "merged", **changes), quiet)
    assert caught.value.field == field
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("base", "lora", "message"),
    [
        ("lora_legacy_tp2pp2/megatron", "lora_mcore_tp2pp1/lora", "in mcore format, the weights in legacy"),
        ("lora_legacy_tp2pp2/megatron", "lora_legacy_tp2pp2/megatron", "holds no LoRA adapter"),
        ("lora_legacy_tp2pp2/lora", "lora_legacy_tp2pp2/lora", "not the weights it was trained on"),
        ("legacy_tp1pp4", "lora_legacy_tp2pp2/lora", "cut for TP 2, PP 2 with 1.1 layers"),
        ("legacy_tp2pp2", "lora_legacy_tp2pp2/lora", "layers|has the shape"),
    ],
)
def test_trees_that_do_not_belong_together_are_refused(base: str, lora: str, message: str) -> None:
    root = GOLDEN / base if "/" in base else GOLDEN / base / "megatron"
    with pytest.raises(JobError, match=message):
        MergedTree(str(root), LoraSettings(str(GOLDEN / lora)))


def changed_adapter(
    case: Path, folder: Path, change: Any, with_optimizer: bool = False, unsaid: tuple[str, ...] = ()
) -> Path:
    """A copy of an adapter, `change(names)` answering the tensors of the first rank's file."""
    shutil.copytree(case / "lora", folder)
    path = next(folder.glob("iter_*/mp_rank_00*/model_optim_rng.pt"))
    path.chmod(0o600)
    path.parent.chmod(0o700)
    file = PtFile(str(path))
    arrays = change({name: file.get(name) for name in file.names()})
    content: dict[str, Any] = dict(file.content)
    content["args"] = {key: value for key, value in content["args"].items() if key not in unsaid}
    if with_optimizer:
        first = next(name for name in arrays if "lora_A" in name)
        shape, dtype = arrays[first].data.shape, arrays[first].dtype
        content["optimizer"] = {"state": {first[len("model/") :]: Planned(first, tuple(shape), dtype)}}
    write_tensors(path, content, arrays)
    return folder


def write_tensors(path: Path, content: dict[str, Any], arrays: dict[str, Array]) -> None:
    from argparse import Namespace

    # The reference's own class has no place in what we write.
    content["args"] = Namespace(
        **{key: value for key, value in content["args"].items() if key != "model_type"}
    )
    content["model"] = {
        name[len("model/") :]: Planned(name, tuple(array.data.shape), array.dtype)
        for name, array in arrays.items()
    }
    copies = {name: Array(array.data.copy(), array.dtype) for name, array in arrays.items()}
    write_pt(str(path), content, copies.__getitem__)


def without(word: str) -> Any:
    def change(arrays: dict[str, Array]) -> dict[str, Array]:
        name = next(name for name in arrays if word in name)
        return {other: array for other, array in arrays.items() if other != name}

    return change


def doubled(word: str) -> Any:
    def change(arrays: dict[str, Array]) -> dict[str, Array]:
        return {
            name: Array(array.data + 1, array.dtype) if word in name else array
            for name, array in arrays.items()
        }

    return change


def renamed(arrays: dict[str, Array]) -> dict[str, Array]:
    return {name.replace("linear_fc1.lora", "linear_fc9.lora"): array for name, array in arrays.items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("lora_A"), "is missing"),
        (without("lora_B"), "is missing"),
        (renamed, "has no place in the weights"),
    ],
)
def test_a_broken_adapter_is_named(tmp_path: Path, change: Any, message: str) -> None:
    case = CASES[1]
    adapter = changed_adapter(case, tmp_path / "lora", change)
    with pytest.raises(JobError, match=message) as caught:
        MergedTree(str(case / "megatron"), LoraSettings(str(adapter)))
    assert caught.value.field == "lora_directory"


def test_an_alpha_that_nobody_says_is_asked_for(tmp_path: Path) -> None:
    case = CASES[1]
    adapter = changed_adapter(case, tmp_path / "lora", lambda arrays: arrays, unsaid=("lora_alpha",))
    settings = LoraSettings(str(adapter))
    with pytest.raises(JobError, match="does not say its alpha") as caught:
        MergedTree(str(case / "megatron"), settings)
    assert caught.value.field == "lora_alpha"
    assert MergedTree(str(case / "megatron"), settings._replace(alpha=16)).scale == 2.0


def test_the_optimizer_of_a_training_is_no_part_of_the_adapter(tmp_path: Path) -> None:
    case = CASES[1]
    changed = changed_adapter(case, tmp_path / "lora", lambda arrays: arrays, with_optimizer=True)
    found = MergedTree(str(case / "megatron"), LoraSettings(str(changed)))
    wanted = MegatronTree(str(case / "megatron_merged"))
    for name in wanted.names(0, 0):
        assert content(found.rank(0, 0), name) == content(wanted.rank(0, 0), name)


def test_an_adapter_of_other_weights_is_said(tmp_path: Path) -> None:
    case = CASES[1]
    adapter = changed_adapter(case, tmp_path / "lora", doubled("input_layernorm"))
    tree = MergedTree(str(case / "megatron"), LoraSettings(str(adapter)))
    for rank in tree.folder.ranks:
        for name in tree.names(*rank):
            tree.rank(*rank).get(name)
    assert len(tree.notes()) == 1
    assert "trained on other weights" in tree.notes()[0]
    kept = MergedTree(str(case / "megatron"), LoraSettings(str(case / "lora")))
    name = next(name for name in kept.names(0, 0) if name.endswith("linear_qkv.weight"))
    first = kept.rank(0, 0).get(name)
    assert kept.notes() == []
    assert not np.shares_memory(first.data, MegatronTree(str(case / "megatron")).rank(0, 0).get(name).data)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_part_of_a_merged_tensor_is_that_of_the_whole(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora_tree, "_PIECE_BYTES", 300)
    tree = MergedTree(str(case / "megatron"), LoraSettings(str(case / "lora")))
    for rank in tree.folder.ranks:
        source = tree.rank(*rank)
        for name in tree.names(*rank):
            whole = source.get(name).data
            table = whole.reshape(len(whole), -1)
            row, column = len(table) // 3, table.shape[1] // 3
            out = np.empty(table[row:, column:].shape, table.dtype)
            source.read(name, row, column, out)
            assert out.tobytes() == table[row:, column:].tobytes(), name


def test_the_manifest_of_a_merge_says_what_was_done(tmp_path: Path) -> None:
    case = CASES[1]
    adapter = changed_adapter(case, tmp_path / "lora", doubled("input_layernorm"))
    said: list[str] = []
    asked = job(case, tmp_path / "merged", lora_directory=str(adapter))
    found = merge_lora.run(asked, lambda progress: said.append(progress.note)).manifest
    assert found["made_from"]["action"] == "merge-lora"
    [note] = [one for one in found["notes"] if "trained on other weights" in one]
    assert note in said
    assert (found["rope_theta"], found["model"]["rope_theta"]) == (None, None)
    like = {"like_directory": str(case / "hf"), "output_directory": str(tmp_path / "hf")}
    assert note in to_hf.run({**asked, **like}, quiet).manifest["notes"]
