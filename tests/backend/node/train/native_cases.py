"""A tiny model, its shards for any layout, and training text: shared by the tests of the native engine."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[4]
VOCAB = 67  # odd, so that a tensor parallel table is padded


def free_port() -> int:
    """A free port below those that the kernel hands out, because gloo itself takes many of these."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port


def tiny_job(folder: Path, tp: int = 1, pp: int = 1, dp: int = 1, **changes: Any) -> dict[str, Any]:
    """A train job of four small layers; `changes` replace keys, those of `architecture` one by one."""
    architecture = {
        "family": "llama2",
        "layers": 4,
        "hidden": 32,
        "heads": 4,
        "kv_heads": 2,
        "head_dim": 8,
        "ffn": 48,
        "vocab": VOCAB,
        "rope_theta": 10000.0,
        "max_position": 64,
        "norm_eps": 1e-5,
        "tie_embeddings": False,
        "qkv_bias": False,
        "hf_dtype": "float16",
    }
    architecture.update(changes.pop("architecture", {}))
    job = {
        "architecture": architecture,
        "datasets": [{"prefix": str(folder / "data" / "tiny_text_document"), "weight": 1.0}],
        "load_directory": str(folder / f"weights-{tp}-{pp}"),
        "save_directory": str(folder / "saved"),
        "tensor_parallel": tp,
        "pipeline_parallel": pp,
        "data_parallel": dp,
        "layers_per_stage": [4 // pp] * pp,
        "npus_per_node": tp * pp * dp,
        "device": "cpu",
        "micro_batch_size": 1,
        "global_batch_size": 4,
        "seq_length": 16,
        "train_iterations": 6,
        "warmup_iterations": 2,
        "lr": 1e-2,
        "min_lr": 1e-3,
        "weight_decay": 0.1,
        "clip_grad": 0.5,
        "seed": 11,
        "log_interval": 1,
        "save_interval": 100,
        "dtype": "fp32",
    }
    return {**job, **changes}


def whole_weights(architecture: dict[str, Any], seed: int = 5) -> dict[str, Any]:
    """Random fp32 weights of the whole model under the names of an mcore file of one rank."""
    import torch

    chance = torch.Generator().manual_seed(seed)
    a = architecture
    rows = a["kv_heads"] * (a["heads"] // a["kv_heads"] + 2) * a["head_dim"]

    def matrix(*shape: int) -> Any:
        return torch.randn(shape, generator=chance) * 0.1

    weights = {"embedding.word_embeddings.weight": matrix(a["vocab"], a["hidden"])}
    for number in range(a["layers"]):
        layer = f"decoder.layers.{number}."
        weights[layer + "input_layernorm.weight"] = 1 + matrix(a["hidden"])
        weights[layer + "self_attention.linear_qkv.weight"] = matrix(rows, a["hidden"])
        if a["qkv_bias"]:
            weights[layer + "self_attention.linear_qkv.bias"] = matrix(rows)
        weights[layer + "self_attention.linear_proj.weight"] = matrix(a["hidden"], a["heads"] * a["head_dim"])
        weights[layer + "pre_mlp_layernorm.weight"] = 1 + matrix(a["hidden"])
        weights[layer + "mlp.linear_fc1.weight"] = matrix(2 * a["ffn"], a["hidden"])
        weights[layer + "mlp.linear_fc2.weight"] = matrix(a["hidden"], a["ffn"])
    weights["decoder.final_layernorm.weight"] = 1 + matrix(a["hidden"])
    if not a["tie_embeddings"]:
        weights["output_layer.weight"] = matrix(a["vocab"], a["hidden"])
    return weights


def adapted_weights(whole: dict[str, Any], lora: dict[str, Any], seed: int = 6) -> dict[str, Any]:
    """`whole` with a random adapter around its weights, neither half zero, under the names of its file."""
    import torch

    chance = torch.Generator().manual_seed(seed)
    found = {}
    for name, tensor in whole.items():
        module, _dot, kind = name.rpartition(".")
        if module.rpartition(".")[2] not in lora["target_modules"]:
            found[name] = tensor
            continue
        found[f"{module}.base_layer.{kind}"] = tensor
        if kind == "weight":
            rows, columns = tensor.shape
            down = torch.randn((lora["rank"], columns), generator=chance)
            found[module + ".lora_A.default.weight"] = down * 0.3
            found[module + ".lora_B.default.weight"] = (
                torch.randn((rows, lora["rank"]), generator=chance) * 0.1
            )
    return found


def shard(
    whole: dict[str, Any], job: dict[str, Any], tp_rank: int, pp_rank: int, pad_with_last: bool = True
) -> dict[str, Any]:
    """One rank's part, cut by the rules of Megatron's layout; also cuts gradients (padding zero then)."""
    tp, stages = job["tensor_parallel"], job["layers_per_stage"]
    first = sum(stages[:pp_rank])
    part = {}
    for name, tensor in whole.items():
        if name.startswith("decoder.layers."):
            number = int(name.split(".")[2])
            if not first <= number < first + stages[pp_rank]:
                continue
            local = name.replace(f"layers.{number}.", f"layers.{number - first}.")
            part[local] = _cut(name, tensor, tp, tp_rank)
        elif name.startswith("embedding."):
            table = _padded(tensor, tp, pad_with_last).chunk(tp)[tp_rank].clone()
            if pp_rank == 0:
                part[name] = table
            elif job["architecture"]["tie_embeddings"] and pp_rank == len(stages) - 1:
                part["output_layer.weight"] = table
        elif pp_rank == len(stages) - 1:
            is_head = name.startswith("output_layer")
            part[name] = (
                _padded(tensor, tp, pad_with_last).chunk(tp)[tp_rank].clone() if is_head else tensor.clone()
            )
    return part


def _cut(name: str, tensor: Any, tp: int, tp_rank: int) -> Any:
    import torch

    columns = "linear_proj" in name or "linear_fc2" in name
    if ".lora_B." in name if columns else ".lora_A." in name:
        return tensor.clone()
    if "linear_qkv" in name:
        return tensor.chunk(tp)[tp_rank].clone()
    if "linear_fc1" in name:
        return torch.cat([half.chunk(tp)[tp_rank] for half in tensor.chunk(2)])
    if columns:
        return tensor.chunk(tp, 1)[tp_rank].clone()
    return tensor.clone()


def _padded(table: Any, tp: int, with_last: bool) -> Any:
    import torch

    missing = -table.shape[0] % tp
    row = table[-1:] if with_last else torch.zeros_like(table[-1:])
    return torch.cat([table, row.expand(missing, -1)])


def write_weights(folder: Path, job: dict[str, Any], whole: dict[str, Any]) -> None:
    """The checkpoint tree of all ranks under `load_directory`."""
    from backend.node.weights import shards

    tp, pp = job["tensor_parallel"], job["pipeline_parallel"]
    for pp_rank in range(pp):
        for tp_rank in range(tp):
            part = shard(whole, job, tp_rank, pp_rank)
            shards.save_rank(job["load_directory"], 1, tp_rank, pp_rank, tp, pp, part, {}, {"num_layers": 4})
    shards.publish(job["load_directory"], 1)


def hugging_face_model(a: dict[str, Any]) -> Any:
    """Llama or Qwen2 of transformers in the size of the `architecture`, with random weights."""
    import transformers

    kind = "Qwen2" if a["qkv_bias"] else "Llama"
    config = getattr(transformers, kind + "Config")(
        vocab_size=a["vocab"],
        hidden_size=a["hidden"],
        intermediate_size=a["ffn"],
        num_hidden_layers=a["layers"],
        num_attention_heads=a["heads"],
        num_key_value_heads=a["kv_heads"],
        rms_norm_eps=a["norm_eps"],
        rope_theta=a["rope_theta"],
        rope_parameters={"rope_type": "default", "rope_theta": a["rope_theta"]},
        max_position_embeddings=a["max_position"],
        tie_word_embeddings=a["tie_embeddings"],
    )
    return getattr(transformers, kind + "ForCausalLM")(config)


def micro_batch(rows: Any) -> Any:
    """int64 [batch, seq + 1] as inputs and the tokens that follow them."""
    from backend.node.train.micro_batch import MicroBatch

    return MicroBatch(rows[:, :-1].contiguous(), rows[:, 1:].contiguous())


def write_data(folder: Path, documents: int = 40, vocab: int = VOCAB) -> None:
    """An index of documents that count upwards modulo the vocabulary: easy to learn."""
    import struct

    (folder / "data").mkdir(exist_ok=True)
    chance = np.random.default_rng(3)
    rows = [
        (chance.integers(vocab) + np.arange(chance.integers(20, 60))) % vocab for _number in range(documents)
    ]
    lengths = np.array([len(row) for row in rows], "<i4")
    offsets = np.concatenate([[0], np.cumsum(lengths[:-1], dtype="<i8") * 4]).astype("<i8")
    prefix = str(folder / "data" / "tiny_text_document")
    Path(prefix + ".bin").write_bytes(np.concatenate(rows).astype("<i4").tobytes())
    head = struct.pack("<9sQBQQ", b"MMIDIDX\x00\x00", 1, 4, documents, documents + 1)
    bounds = np.arange(documents + 1, dtype="<i8")
    Path(prefix + ".idx").write_bytes(head + lengths.tobytes() + offsets.tobytes() + bounds.tobytes())


def rank_environment(**values: object) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name != "GLOO_SOCKET_IFNAME"}
    environment["PYTHONPATH"] = str(ROOT)
    return {**environment, **{name: str(value) for name, value in values.items()}}


def start_launcher(job_file: Path, **environment: object) -> subprocess.Popen[str]:
    """`TASK train` on one node, stdout and stderr in one pipe."""
    values = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "NNODES": 1, "NODE_RANK": 0}
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "backend.node.main", "train", str(job_file)],
        cwd=ROOT,
        env=rank_environment(**{**values, **environment}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
