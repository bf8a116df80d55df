"""A Llama of a few megabytes or less with random weights, made without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from backend.node.weights.arrays import Array
from backend.node.weights.hf_plan import plan_hf
from backend.node.weights.model_config import read_model
from backend.node.weights.progress import Progress
from backend.node.weights.safetensors_writer import write_safetensors
from backend.node.weights.shard_files import cut_into_shards, write_index


def llama_config(**changes: Any) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "num_hidden_layers": 4,
        "hidden_size": 16,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 24,
        "vocab_size": 11,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 32,
        "torch_dtype": "bfloat16",
        **changes,
    }


def random_bf16(shape: tuple[int, ...], seed: int) -> Array:
    """Normal values: none of them NaN."""
    values = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return Array((values.view("<u4") >> 16).astype("<u2"), "bf16")


def write_llama(folder: Path, max_shard_bytes: int = 1 << 40, seed: int = 0, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    config = llama_config(**changes)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    shards = cut_into_shards(plan_hf(read_model(config), "bf16"), max_shard_bytes)
    for number, shard in enumerate(shards):
        made = {
            planned.key: random_bf16(planned.shape, seed + 1000 * number + place)
            for place, planned in enumerate(shard.tensors)
        }
        write_safetensors(str(folder / shard.name), shard.tensors, made.__getitem__, {})
    if len(shards) > 1:
        write_index(str(folder), shards)
    return folder


def to_tree_job(hf: Path, output: Path, **changes: Any) -> dict[str, Any]:
    job = {"hf_directory": str(hf), "output_directory": str(output)}
    return {**job, "tensor_parallel": 2, "pipeline_parallel": 2, **changes}


def to_model_job(tree: Path, like: Path, output: Path, **changes: Any) -> dict[str, Any]:
    job = {"megatron_directory": str(tree), "like_directory": str(like), "output_directory": str(output)}
    return {**job, **changes}


def quiet(_progress: Progress) -> None:
    """A listener for tests that do not look at progress."""


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All files but the manifest, whose paths and times differ."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("npudeck.")
    }
