"""Weights beside each other: the reference's conversions are equal to what they were made from; a changed
value, shape or name is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_facts import all_cases, name_of

from backend.node.job_lines import JobError
from backend.node.weights import array_compare, reshard
from backend.node.weights.arrays import STORAGE, Array, Planned
from backend.node.weights.gathering import one_of
from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.progress import Progress
from backend.node.weights.rectangles import copy_rectangle
from backend.node.weights.safetensors_writer import write_safetensors
from backend.node.weights.tensor_source import TensorInfo
from backend.node.weights.verify_weights import verify_weights

PLAIN = [case for case in all_cases() if (case / "megatron").is_dir()]
# fp16 trees of bf16 models: the reference's default, which loses values.
NARROWED = ("nodtype",)


def fp32(*values: float) -> Array:
    return Array(np.array(values, STORAGE["fp32"]), "fp32")


class InMemory:
    """A source of one tensor."""

    def __init__(self, array: Array) -> None:
        self.files: list[str] = []
        self._array = array

    def names(self) -> list[str]:
        return [""]

    def info(self, _name: str) -> TensorInfo:
        return TensorInfo(self._array.data.shape, self._array.dtype)

    def get(self, _name: str) -> Array:
        return self._array

    def read(self, _name: str, row: int, column: int, out: Any) -> None:
        copy_rectangle(self._array.data.reshape(self._array.data.shape or (1,)), row, column, out)


def compare(a: Array, b: Array) -> dict[str, Any] | None:
    return array_compare.compare(one_of(InMemory(a), ""), one_of(InMemory(b), ""))


def test_equal_arrays_have_nothing_to_say() -> None:
    assert compare(fp32(1.0, float("nan")), fp32(1.0, float("nan"))) is None
    for shape in ((), (0,), (0, 3), (3, 0), (1, 1, 5)):
        zeros = Array(np.zeros(shape, STORAGE["bf16"]), "bf16")
        assert compare(zeros, zeros) is None


def test_the_first_value_and_the_largest_difference() -> None:
    a = Array(np.zeros((600, 700), STORAGE["fp32"]), "fp32")
    data = a.data.copy()
    data[500, 3], data[599, 699] = 0.5, -2.0
    found = compare(a, Array(data, "fp32"))
    assert found == {"why": "values", "a": 0.0, "b": 0.5, "values": 2, "first": [500, 3], "largest": 2.0}
    one = compare(
        Array(np.array(1.0, STORAGE["fp32"]), "fp32"), Array(np.array(3.0, STORAGE["fp32"]), "fp32")
    )
    assert one == {"why": "values", "a": 1.0, "b": 3.0, "values": 1, "first": [], "largest": 2.0}


@pytest.mark.parametrize("block_bytes", [1, 24, 1 << 20])
@pytest.mark.parametrize(("dtype", "other"), [("bf16", "bf16"), ("fp16", "fp32"), ("int8", "int8")])
def test_what_is_said_is_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, block_bytes: int, dtype: str, other: str
) -> None:
    """However many rows are looked at at a time."""
    monkeypatch.setattr(array_compare, "_BLOCK_BYTES", block_bytes)
    a = Array(np.arange(3 * 7 * 2).astype(STORAGE[dtype]).reshape(3, 7, 2), dtype)
    data = a.data.astype(STORAGE[other])
    data[1, 3, 1] += 1
    data[2, 6, 0] += 2
    found = compare(a, Array(data, other))
    assert found is not None
    assert (found["values"], found["first"]) == (2, [1, 3, 1])
    if dtype != "bf16":
        assert found["largest"] == 2.0


def test_dtypes_are_told_from_values() -> None:
    half = Array(np.array([1.0, 2.0], STORAGE["fp16"]), "fp16")
    assert compare(half, fp32(1.0, 2.0)) == {
        "why": "dtype",
        "a": "fp16",
        "b": "fp32",
        "values": 0,
        "first": None,
        "largest": None,
    }
    found = compare(half, fp32(1.0, 2.5))
    assert found is not None
    assert (found["why"], found["values"], found["first"]) == ("dtype", 1, [1])


def test_shapes_and_numbers_that_are_none() -> None:
    found = compare(fp32(1.0), fp32(1.0, 2.0))
    assert found is not None
    assert (found["why"], found["a"], found["b"]) == ("shape", [1], [2])
    found = compare(fp32(1.0), fp32(float("nan")))
    assert found is not None
    assert found["largest"] is None
    assert (found["a"], found["b"]) == (1.0, "nan")
    found = compare(fp32(float("-inf")), fp32(float("inf")))
    json.dumps(found, allow_nan=False)
    assert found is not None
    assert (found["a"], found["b"]) == ("-inf", "inf")


pytestmark = pytest.mark.skipif(not PLAIN, reason="the reference trees are not on this machine")


@pytest.mark.parametrize("case", PLAIN, ids=name_of)
def test_a_reference_tree_holds_its_model(case: Path) -> None:
    report = verify_weights(str(case / "hf"), str(case / "megatron"))
    assert report["only_a"] == report["only_b"] == report["unequal_copies"] == []
    if any(word in case.name for word in NARROWED):
        assert not report["equal"]
        assert report["differing_count"] == report["compared"]
        assert {one["why"] for one in report["differing"]} == {"dtype"}
    elif not report["equal"]:
        assert {one["why"] for one in report["differing"]} == {"dtype"}
    back = verify_weights(str(case / "megatron"), str(case / "hf"))
    assert back["equal"] == report["equal"]
    assert back["compared"] == report["compared"]


def llama_case() -> Path:
    return next(case for case in PLAIN if name_of(case) == "llama3/mcore_tp2pp2")


def quiet(_progress: Progress) -> None:
    """Nobody is told."""


@pytest.mark.parametrize(
    "changes", [{}, {"format": "legacy"}, {"tensor_parallel": 1, "pipeline_parallel": 4}]
)
def test_trees_of_two_layouts_are_the_same_model(tmp_path: Path, changes: dict[str, Any]) -> None:
    tree = llama_case() / "megatron"
    job = {"megatron_directory": str(tree), "output_directory": str(tmp_path / "other"), **changes}
    reshard.run(job, quiet)
    told: list[Progress] = []
    report = verify_weights(str(tree), str(tmp_path / "other"), told.append)
    assert report["equal"]
    assert report["compared"] > 10
    assert told[-1].done_bytes == told[-1].total_bytes > 0
    names = report["differing"], report["only_a"]
    assert names == ([], [])


def changed_copy(source: Path, folder: Path, change: Any) -> Path:
    """A copy of a Hugging Face folder with other tensors."""
    folder.mkdir()
    shutil.copyfile(source / "config.json", folder / "config.json")
    original = HfFolder(str(source))
    arrays = {
        name: Array(original.get(name).data.copy(), original.get(name).dtype) for name in original.names()
    }
    arrays = change(arrays)
    planned = [Planned(name, tuple(array.data.shape), array.dtype) for name, array in arrays.items()]
    write_safetensors(str(folder / "model.safetensors"), planned, arrays.__getitem__, {})
    return folder


def flipped(arrays: dict[str, Array]) -> dict[str, Array]:
    name = next(name for name in arrays if "k_proj" in name)
    arrays[name].data[3, 5] ^= 1
    return arrays


def test_one_bit_is_found_by_name_and_place(tmp_path: Path) -> None:
    case = llama_case()
    other = changed_copy(case / "hf", tmp_path / "hf", flipped)
    report = verify_weights(str(other), str(case / "megatron"))
    assert not report["equal"]
    assert not report["same_values"]
    assert report["differing_count"] == report["differing_values"] == 1
    (one,) = report["differing"]
    assert "k_proj" in one["name"]
    assert one["first"] == [3, 5]
    assert verify_weights(str(other), str(case / "hf"))["differing_count"] == 1


def test_a_name_that_one_has_not(tmp_path: Path) -> None:
    case = llama_case()

    def without(arrays: dict[str, Array]) -> dict[str, Array]:
        return {name: array for name, array in arrays.items() if "norm" not in name}

    other = changed_copy(case / "hf", tmp_path / "hf", without)
    report = verify_weights(str(case / "hf"), str(other))
    assert report["only_b"] == []
    assert "model.norm.weight" in report["only_a"]
    assert not report["equal"]


def test_a_head_that_is_the_embedding_may_be_stored(tmp_path: Path) -> None:
    case = next(case for case in PLAIN if "tied" in case.name)

    def with_head(arrays: dict[str, Array]) -> dict[str, Array]:
        return {**arrays, "lm_head.weight": arrays["model.embed_tokens.weight"]}

    other = changed_copy(case / "hf", tmp_path / "hf", with_head)
    assert verify_weights(str(case / "hf"), str(other))["equal"]
    assert verify_weights(str(other), str(case / "megatron"))["equal"]


def test_ranks_that_disagree_are_a_broken_tree(tmp_path: Path) -> None:
    tree = shutil.copytree(llama_case() / "megatron", tmp_path / "tree")
    path = next(tree.glob("iter_*/mp_rank_01_000/model_optim_rng.pt"))
    path.chmod(0o600)
    from backend.node.weights.pt_file import PtFile

    name = "model/decoder.layers.0.input_layernorm.weight"
    bits = PtFile(str(path)).get(name).data.tobytes()
    content = path.read_bytes()
    at = content.index(bits)
    path.write_bytes(content[:at] + bytes([bits[0] ^ 1]) + content[at + 1 :])
    report = verify_weights(str(tree), str(llama_case() / "hf"))
    assert report["differing_count"] == 0
    assert report["unequal_copies"] == ["mp_rank_00_000/" + name]
    assert not report["equal"]


@pytest.mark.parametrize("name", ["qwen2/mcore_tied_tp2pp2", "qwen2/legacy_tied_tp2pp2"])
def test_a_copy_of_the_embedding_that_is_another(name: str, tmp_path: Path) -> None:
    case = next(case for case in PLAIN if name_of(case) == name)
    tree = shutil.copytree(case / "megatron", tmp_path / "tree")
    path = next(tree.glob("iter_*/mp_rank_01_001/model_optim_rng.pt"))
    path.chmod(0o600)
    from backend.node.weights.pt_file import PtFile

    file = PtFile(str(path))
    copy = next(one for one in file.names() if "output_layer.weight" in one or "for_head" in one)
    bits = file.get(copy).data.tobytes()
    content = path.read_bytes()
    at = content.index(bits)
    path.write_bytes(content[:at] + bytes([bits[0] ^ 1]) + content[at + 1 :])
    report = verify_weights(str(case / "hf"), str(tree))
    assert report["unequal_copies"] == [f"mp_rank_01_001/{copy}"]
    assert not report["same_values"]


@pytest.mark.parametrize("field", ["a", "b"])
def test_weights_that_are_not_whole_are_refused(tmp_path: Path, field: str) -> None:
    good = str(llama_case() / "hf")
    broken = tmp_path / "hf"
    broken.mkdir()
    (broken / "config.json").write_text(json.dumps({}))
    for directory in (str(broken), str(tmp_path / "none")):
        pair = (directory, good) if field == "a" else (good, directory)
        with pytest.raises(JobError) as caught:
            verify_weights(*pair)
        assert caught.value.field == field
