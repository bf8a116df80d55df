"""A tree and the config.json of a model that has the same shapes, and is another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from random_adapter import write_adapter
from random_llama import llama_config, quiet, to_model_job, to_tree_job, write_llama

from backend.node.job_lines import JobError
from backend.node.weights import export_adapter, split_adapter, to_hf, to_megatron
from backend.node.weights.verify_weights import verify_weights


def made(tmp_path: Path, **changes: Any) -> Path:
    to_megatron.run(to_tree_job(write_llama(tmp_path / "hf"), tmp_path / "tree", **changes), quiet)
    return tmp_path / "tree"


def like(tmp_path: Path, **changes: Any) -> Path:
    folder = tmp_path / "like"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(llama_config(**changes)))
    return folder


def convert(tmp_path: Path, original: Path) -> list[str]:
    notes: list[str] = []
    job = to_model_job(tmp_path / "tree", original, tmp_path / "back", overwrite=True)
    to_hf.run(job, lambda told: notes.append(told.note) if told.note else None)
    return notes


# 4 heads of 4 values and 2 heads of 8 make tensors of the same shapes
TWO_HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1}


def test_other_heads_are_refused(tmp_path: Path) -> None:
    tree = made(tmp_path, tensor_parallel=1)
    with pytest.raises(JobError, match="has 4 attention heads and the model 2") as caught:
        convert(tmp_path, like(tmp_path, **TWO_HEADS))
    assert caught.value.field == "megatron_directory"
    assert not (tmp_path / "back").exists()
    other = write_llama(tmp_path / "other", **TWO_HEADS)
    with pytest.raises(JobError, match="has 4 attention heads and the model 2"):
        verify_weights(str(other), str(tree))


def test_other_heads_of_keys_are_refused(tmp_path: Path) -> None:
    made(tmp_path, tensor_parallel=1)
    with pytest.raises(JobError, match="has 2 key-value heads and the model 4"):
        convert(tmp_path, like(tmp_path, num_key_value_heads=4))


def test_an_adapter_of_other_heads_is_refused(tmp_path: Path) -> None:
    made(tmp_path)
    adapter = write_adapter(tmp_path / "peft", llama_config())
    cut = {"tensor_parallel": 1, "pipeline_parallel": 2, "like_directory": str(tmp_path / "hf")}
    lora = {"lora_directory": str(adapter), "output_directory": str(tmp_path / "lora")}
    split_adapter.run({**lora, **cut}, quiet)
    job = {"lora_directory": str(tmp_path / "lora"), "output_directory": str(tmp_path / "again")}
    with pytest.raises(JobError, match="has 4 attention heads and the model 2") as caught:
        export_adapter.run({**job, "like_directory": str(like(tmp_path, **TWO_HEADS))}, quiet)
    assert caught.value.field == "lora_directory"


@pytest.mark.parametrize("kind", ["mcore", "legacy"])
@pytest.mark.parametrize("stages", [1, 2])
def test_a_head_of_its_own_is_never_lost(tmp_path: Path, kind: str, stages: int) -> None:
    made(tmp_path, format=kind, pipeline_parallel=stages)
    with pytest.raises(
        JobError, match=r"tie_word_embeddings true|no place in the model|word_embeddings_for_head/weight"
    ):
        convert(tmp_path, like(tmp_path, tie_word_embeddings=True))
    assert not (tmp_path / "back").exists()


def test_what_differs_without_harm_is_said(tmp_path: Path) -> None:
    made(tmp_path)
    assert convert(tmp_path, like(tmp_path)) == []
    assert convert(tmp_path, like(tmp_path, vocab_size=9, rms_norm_eps=1e-6)) == [
        "the checkpoint says a vocabulary of 11 words, config.json one of 9: the rest is left out",
        "the checkpoint says a norm epsilon of 1e-05, config.json 1e-06",
    ]
