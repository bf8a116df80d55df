"""A random Llama of about 20 million parameters, its Megatron shards and random text, for the benchmark of
training."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

VOCAB, SEQ_LENGTH, MICRO_BATCH, MICRO_BATCHES = 4096, 128, 4, 2
# name -> layers, hidden, ffn, heads, kv_heads
SIZES = {"20m": (10, 384, 1024, 6, 2), "1m": (4, 128, 320, 4, 2)}


def hf_config(size: str) -> dict[str, Any]:
    """The config.json of the model."""
    layers, hidden, ffn, heads, kv_heads = SIZES[size]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "vocab_size": VOCAB,
        "hidden_size": hidden,
        "intermediate_size": ffn,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
    }


def tensors(size: str) -> dict[str, np.ndarray]:
    """Hugging Face name -> fp32 values, normal with 0.02 as an initial model has them."""
    layers, hidden, ffn, heads, kv_heads = SIZES[size]
    chance = np.random.default_rng(1)
    kv = hidden // heads * kv_heads

    def matrix(*shape: int) -> np.ndarray:
        return (chance.standard_normal(shape, np.float32) * 0.02).astype(np.float32)

    ones = np.ones(hidden, np.float32)
    found = {"model.embed_tokens.weight": matrix(VOCAB, hidden)}
    for layer in range(layers):
        name = f"model.layers.{layer}."
        found |= {
            name + "input_layernorm.weight": ones,
            name + "self_attn.q_proj.weight": matrix(hidden, hidden),
            name + "self_attn.k_proj.weight": matrix(kv, hidden),
            name + "self_attn.v_proj.weight": matrix(kv, hidden),
            name + "self_attn.o_proj.weight": matrix(hidden, hidden),
            name + "post_attention_layernorm.weight": ones,
            name + "mlp.gate_proj.weight": matrix(ffn, hidden),
            name + "mlp.up_proj.weight": matrix(ffn, hidden),
            name + "mlp.down_proj.weight": matrix(hidden, ffn),
        }
    return found | {"model.norm.weight": ones, "lm_head.weight": matrix(VOCAB, hidden)}


def parameters(size: str) -> int:
    return sum(tensor.size for tensor in tensors(size).values())


def write_hf(folder: Path, size: str) -> None:
    from safetensors.numpy import save_file

    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(hf_config(size)))
    save_file(tensors(size), folder / "model.safetensors", {"format": "pt"})


def write_data(prefix: Path, sequences: int = 2000) -> None:
    """`<prefix>.bin` and `.idx`: random tokens, one document of SEQ_LENGTH each."""
    tokens = np.random.default_rng(2).integers(VOCAB, size=sequences * SEQ_LENGTH, dtype=np.int32)
    prefix.with_suffix(".bin").write_bytes(tokens.tobytes())
    head = struct.pack("<9sQBQQ", b"MMIDIDX\x00\x00", 1, 4, sequences, sequences + 1)
    lengths = np.full(sequences, SEQ_LENGTH, "<i4")
    offsets = np.arange(sequences, dtype="<i8") * SEQ_LENGTH * 4
    bounds = np.arange(sequences + 1, dtype="<i8")
    prefix.with_suffix(".idx").write_bytes(head + lengths.tobytes() + offsets.tobytes() + bounds.tobytes())


def train_job(folder: Path, size: str, tp: int, pp: int, steps: int) -> dict[str, Any]:
    """The job of the native engine: 1,024 tokens an iteration, fp32, on CPUs."""
    layers, hidden, ffn, heads, kv_heads = SIZES[size]
    architecture = {
        "family": "llama2",
        "layers": layers,
        "hidden": hidden,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": hidden // heads,
        "ffn": ffn,
        "vocab": VOCAB,
        "rope_theta": 10000.0,
        "max_position": 2048,
        "norm_eps": 1e-5,
        "tie_embeddings": False,
        "qkv_bias": False,
        "hf_dtype": "float32",
    }
    return {
        "architecture": architecture,
        "layers_per_stage": [layers // pp] * pp,
        "datasets": [{"prefix": str(folder / "data"), "weight": 1.0}],
        "load_directory": str(folder / f"weights-{tp}-{pp}"),
        "save_directory": str(folder / f"saved-{tp}-{pp}"),
        "tensor_parallel": tp,
        "pipeline_parallel": pp,
        "data_parallel": 1,
        "npus_per_node": tp * pp,
        "device": "cpu",
        "micro_batch_size": MICRO_BATCH,
        "global_batch_size": MICRO_BATCH * MICRO_BATCHES,
        "seq_length": SEQ_LENGTH,
        "train_iterations": steps,
        "warmup_iterations": 0,
        "lr": 3e-4,
        "min_lr": 3e-4,
        "lr_decay_style": "constant",
        "weight_decay": 0.1,
        "clip_grad": 1.0,
        "seed": 1,
        "log_interval": 1,
        "save_interval": 1_000_000,
        "dtype": "fp32",
    }


def prepare(folder: Path, size: str, layouts: list[tuple[int, int]]) -> None:
    """Model, data and shards of every (TP, PP), by the product's own conversion."""
    write_hf(folder / "hf", size)
    write_data(folder / "data")
    for tp, pp in layouts:
        words = ["weights", "to-megatron", str(folder / "hf"), str(folder / f"weights-{tp}-{pp}")]
        words += ["--tp", str(tp), "--pp", str(pp), "--format", "mcore", "--quiet"]
        subprocess.run([sys.executable, "-m", "backend.cli", *words], check=True, stdout=subprocess.DEVNULL)
