from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_llama import bytes_of, llama_config, quiet, to_model_job, to_tree_job, write_llama

from backend.node.weights import to_hf, to_megatron
from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.progress import Outcome


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = write_llama(tmp_path / "hf")
    (folder / "generation_config.json").write_text('{"eos_token_id": 2}')
    (folder / "modeling_own.py").write_text("# code\n")
    (folder / ".gitattributes").write_text("*")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tools.jinja").write_text("{{ messages }}")
    (folder / "original").mkdir()
    (folder / "original" / "consolidated.00.pth").write_text("")
    return folder


@pytest.fixture
def tree(model: Path, tmp_path: Path) -> Path:
    to_megatron.run(to_tree_job(model, tmp_path / "tree"), quiet)
    return tmp_path / "tree"


def convert(tree: Path, model: Path, output: Path, **changes: Any) -> tuple[Outcome, list[str]]:
    notes: list[str] = []
    outcome = to_hf.run(
        to_model_job(tree, model, output, **changes),
        lambda told: notes.append(told.note) if told.note else None,
    )
    return outcome, notes


def test_everything_but_the_weights_is_brought_along(tree: Path, model: Path, tmp_path: Path) -> None:
    outcome, notes = convert(tree, model, tmp_path / "back")
    found = bytes_of(tmp_path / "back")
    original = bytes_of(model)
    copied = [
        "additional_chat_templates/tools.jinja", "config.json", "generation_config.json", "modeling_own.py",
        "tokenizer.json",
    ]  # fmt: skip
    assert outcome.manifest["copied_files"] == copied
    assert sorted(found) == sorted([*copied, "model.safetensors"])
    assert all(found[name] == original[name] for name in copied)
    assert notes == ["of the original these do not come along: original/"]
    assert same_tensors(tmp_path / "back", model)


def same_tensors(one: Path, other: Path) -> bool:
    ours, theirs = HfFolder(str(one)), HfFolder(str(other))
    return set(ours.names()) == set(theirs.names()) and all(
        ours.get(name).dtype == theirs.get(name).dtype
        and np.array_equal(ours.get(name).data, theirs.get(name).data)
        for name in ours.names()
    )


def test_weights_of_the_original_are_not_needed(tree: Path, model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").rename(tmp_path / "elsewhere")
    convert(tree, model, tmp_path / "back")
    (tmp_path / "elsewhere").rename(model / "model.safetensors")
    assert same_tensors(tmp_path / "back", model)


def test_an_index_without_its_shards_is_no_weights(tree: Path, model: Path, tmp_path: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    outcome, _notes = convert(tree, model, tmp_path / "back")
    assert "model.safetensors.index.json" not in outcome.manifest["copied_files"]


def test_another_dtype_is_in_the_config_too(tree: Path, model: Path, tmp_path: Path) -> None:
    (model / "config.json").write_text(json.dumps(llama_config(bf16=True, fp16=False, fp32=False)))
    outcome, notes = convert(tree, model, tmp_path / "back", dtype="fp16")
    config = json.loads((tmp_path / "back" / "config.json").read_text())
    assert config == llama_config(torch_dtype="float16", bf16=False, fp16=True, fp32=False)
    assert notes[0] == "the checkpoint is bfloat16 and is written as float16"
    assert HfFolder(str(tmp_path / "back")).info("lm_head.weight").dtype == "fp16"
    assert outcome.manifest["counts"]["lost_values"] >= 0


def test_values_that_become_infinite_are_counted_not_refused(model: Path, tmp_path: Path) -> None:
    path = model / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-2:] = (0x7F00).to_bytes(2, "little")  # 1.7e38
    path.write_bytes(bytes(data))
    to_megatron.run(to_tree_job(model, tmp_path / "tree"), quiet)
    outcome, notes = convert(tmp_path / "tree", model, tmp_path / "back", dtype="fp16")
    assert outcome.manifest["counts"]["overflowed_values"] == 1
    assert any("became infinite" in note for note in notes)


@pytest.mark.parametrize("most", [1, 2000, 6000])
@pytest.mark.parametrize("memory", [1, 1 << 40])
def test_shards_and_their_index(tree: Path, model: Path, tmp_path: Path, most: int, memory: int) -> None:
    convert(tree, model, tmp_path / "back", max_shard_bytes=most, memory_bytes=memory)
    files = sorted((tmp_path / "back").glob("*.safetensors"))
    assert files[0].name == f"model-00001-of-{len(files):05d}.safetensors"
    assert len(files) > 1
    if most == 1:
        assert len(files) == len(HfFolder(str(model)).names())
    assert same_tensors(tmp_path / "back", model)


def test_up_to_date_until_the_tree_changes(tree: Path, model: Path, tmp_path: Path) -> None:
    first, _notes = convert(tree, model, tmp_path / "back")
    again, notes = convert(tree, model, tmp_path / "back")
    assert again == Outcome(True, first.manifest)
    assert notes[0].startswith("up to date")
    (model / "tokenizer.json").write_text('{"added": 1}')
    assert not convert(tree, model, tmp_path / "back", overwrite=True)[0].up_to_date


def test_a_dry_run_writes_nothing(tree: Path, model: Path, tmp_path: Path) -> None:
    outcome, _notes = convert(tree, model, tmp_path / "back", dry_run=True)
    assert not (tmp_path / "back").exists()
    assert outcome.manifest["files"] == [
        {"path": "model.safetensors", "tensors": 39, "bytes": outcome.manifest["counts"]["bytes"]}
    ]
