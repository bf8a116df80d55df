from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from weight_arrays import array, same, write_bin, write_st

from backend.node.job_lines import JobError
from backend.node.weights.arrays import Array
from backend.node.weights.hf_folder import HfFolder, is_weight_file

FIRST = {"a.weight": array("bf16", 4, 3), "b.weight": array("bf16", 2, seed=1)}
SECOND = {"c.weight": array("fp32", 5, seed=2)}
ALL = {**FIRST, **SECOND}
NAMES = {".safetensors": "model", ".bin": "pytorch_model"}


def folder_with(folder: Path, ending: str, sharded: bool, weight_map: Any = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    write = write_st if ending == ".safetensors" else write_bin
    stem = NAMES[ending]
    if not sharded:
        write(folder / f"{stem}{ending}", ALL)
        return folder
    found: dict[str, str] = {}
    for place, tensors in enumerate((FIRST, SECOND), 1):
        name = f"{stem}-{place:05d}-of-00002{ending}"
        write(folder / name, tensors)
        found.update(dict.fromkeys(tensors, name))
    index = {"metadata": {}, "weight_map": found if weight_map is None else weight_map}
    (folder / f"{stem}{ending}.index.json").write_text(json.dumps(index))
    return folder


def refused(folder: Path, **settings: Any) -> JobError:
    with pytest.raises(JobError) as caught:
        HfFolder(str(folder), **settings)
    return caught.value


@pytest.mark.parametrize("ending", [".safetensors", ".bin"])
@pytest.mark.parametrize("sharded", [False, True])
def test_all_four_forms_are_read(tmp_path: Path, ending: str, sharded: bool) -> None:
    folder = folder_with(tmp_path, ending, sharded)
    source = HfFolder(str(folder))
    assert source.config == {"model_type": "llama"}
    assert sorted(source.names()) == sorted(ALL)
    assert all(same(source.get(name), wanted) for name, wanted in ALL.items())
    assert source.info("a.weight").shape == (4, 3)
    assert len(source.weight_files) == (3 if sharded else 1)
    assert source.files == [str(folder / "config.json"), *source.weight_files]


def test_an_index_wins_over_what_lies_in_the_folder(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, ".bin", True)
    write_st(folder / "model.safetensors", {"other": Array(ALL["c.weight"].data, "fp32")})
    assert sorted(HfFolder(str(folder)).names()) == sorted(ALL)


def test_only_the_config_is_looked_at_without_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    source = HfFolder(str(tmp_path), weights=False)
    assert (source.names(), source.weight_files) == ([], [])
    assert refused(tmp_path, field="like_directory").field == "like_directory"


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, ".safetensors", True)
    (folder / "model-00002-of-00002.safetensors").unlink()
    error = refused(folder)
    assert "model-00002-of-00002.safetensors" in error.what
    assert "model.safetensors.index.json lists it" in error.why


def test_a_listed_tensor_that_is_in_no_shard_is_named(tmp_path: Path) -> None:
    names = dict.fromkeys(ALL, "pytorch_model-00001-of-00002.bin")
    folder = folder_with(tmp_path, ".bin", True, names)
    assert refused(folder).what == "the tensor c.weight is not in pytorch_model-00001-of-00002.bin"


def test_a_tensor_in_two_shards_is_named(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, ".safetensors", True)
    write_st(folder / "model-00002-of-00002.safetensors", ALL)
    assert refused(folder).what == "the tensor a.weight is in two files"


def test_a_tensor_that_the_model_lacks_is_named(tmp_path: Path) -> None:
    source = HfFolder(str(folder_with(tmp_path, ".bin", False)))
    with pytest.raises(JobError, match="there is no tensor lm_head in"):
        source.get("lm_head")


@pytest.mark.parametrize("weight_map", [[], {}, "x", {"a.weight": "../model.safetensors"}])
def test_an_index_that_is_not_one_is_refused(tmp_path: Path, weight_map: Any) -> None:
    folder = folder_with(tmp_path, ".safetensors", True, weight_map)
    assert "model.safetensors.index.json" in refused(folder).what


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a":' * 100_000])
def test_a_config_that_is_not_one_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert str(tmp_path / "config.json") in refused(tmp_path).what


def test_a_folder_without_weights_is_said(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert "no weights in" in refused(tmp_path).what


@pytest.mark.parametrize("ending", [".safetensors", ".bin"])
@pytest.mark.parametrize("kept", [0, 4, 40, -1, -200])
def test_truncated_weights_are_refused(tmp_path: Path, ending: str, kept: int) -> None:
    folder = folder_with(tmp_path, ending, False)
    path = folder / f"{NAMES[ending]}{ending}"
    path.write_bytes(path.read_bytes()[:kept])
    error = refused(folder)
    assert (error.field, error.what) == ("hf_directory", f"cannot read {path}")
    assert error.why
    assert error.fix


@pytest.mark.parametrize("ending", [".safetensors", ".bin"])
def test_shards_without_their_index_are_said(tmp_path: Path, ending: str) -> None:
    folder = folder_with(tmp_path, ending, True)
    index = folder / f"{NAMES[ending]}{ending}.index.json"
    index.unlink()
    error = refused(folder)
    assert (error.what, error.fix) == (f"{index.name} is missing in {folder}", "fetch the index too")
    assert error.why.startswith(f"{NAMES[ending]}-00001-of-00002{ending} is one of several files")


@pytest.mark.parametrize("ending", [".safetensors", ".bin"])
def test_a_pointer_in_place_of_weights_is_said(tmp_path: Path, ending: str) -> None:
    folder = folder_with(tmp_path, ending, False)
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 5\n"
    (folder / f"{NAMES[ending]}{ending}").write_text(text)
    error = refused(folder)
    assert error.why == "it is only a pointer of git-lfs, not the file itself"
    assert error.fix.startswith("fetch ")


def test_weights_are_told_from_other_files() -> None:
    weights = ("model.safetensors", "pytorch_model.bin", "pytorch_model.bin.index.json", "a.pth")
    others = ("config.json", "tokenizer.model", "tokenizer.json", "modeling_x.py", "merges.txt")
    assert all(map(is_weight_file, weights))
    assert not any(map(is_weight_file, others))
