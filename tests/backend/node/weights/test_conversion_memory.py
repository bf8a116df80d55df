"""The memory of a conversion follows a tensor, not the model: measured in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from random_adapter import write_adapter
from random_llama import llama_config, quiet, to_model_job, to_tree_job

from backend.node.weights import split_adapter, to_megatron
from backend.node.weights.hf_plan import plan_hf
from backend.node.weights.model_config import read_model

ROOT = Path(__file__).resolve().parents[4]
# The largest tensor (down, gate, up) has 100 MB, the model 0.8 GB; 4 ranks on each of 2 stages.
WIDE = {
    "num_hidden_layers": 2,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 12288,
    "vocab_size": 1000,
}
# A quarter of that: 96 MB a layer.
NARROW = {"hidden_size": 2048, "num_attention_heads": 16, "num_key_value_heads": 8, "intermediate_size": 6144}
_RUN = """
import json, resource, sys
from backend.node.weights import merge_lora, reshard, to_hf, to_megatron
from backend.node.weights.verify_weights import verify_weights
action, job = sys.argv[1], json.loads(sys.argv[2])
if action == "verify":
    assert verify_weights(**job)["equal"]
else:
    {"merge_lora": merge_lora, "to_megatron": to_megatron, "to_hf": to_hf, "reshard": reshard}[action].run(
        job, lambda progress: None
    )
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def write_holes(folder: Path, **sizes: int) -> Path:
    """A model that takes no room on the disk."""
    folder.mkdir(exist_ok=True)
    config = llama_config(**sizes)
    (folder / "config.json").write_text(json.dumps(config))
    header: dict[str, Any] = {}
    end = 0
    for planned in plan_hf(read_model(config), "bf16").tensors:
        begin, end = end, end + planned.nbytes
        header[planned.key] = {"dtype": "BF16", "shape": planned.shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + end)
    return folder


def with_adapter(folder: Path, cut: dict[str, int], **sizes: int) -> Path:
    """hf, tree and lora, an adapter in the same layout."""
    write_adapter(folder / "peft", llama_config(**sizes), rank=16)
    lora = {"lora_directory": str(folder / "peft"), "like_directory": str(folder / "hf"), **cut}
    split_adapter.run({**lora, "output_directory": str(folder / "lora")}, quiet)
    return folder


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_holes(tmp_path_factory.mktemp("wide") / "hf", **WIDE)


def peak(action: str, job: dict[str, Any]) -> int:
    """Most memory of the process in bytes, mapped pages counted."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    words = [sys.executable, "-c", _RUN, action, json.dumps(job)]
    # By way of a small process: one begins with the memory of the one that it came from.
    shell = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *words]
    done = subprocess.run(shell, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def test_memory_follows_the_shard(wide: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    cut = {"tensor_parallel": 4, "pipeline_parallel": 2}
    peaks = {"to_megatron": peak("to_megatron", to_tree_job(wide, tree, **cut))}
    shard = max(path.stat().st_size for path in tree.rglob("*.pt"))
    most = int(1.3 * shard) + 300_000_000
    other = {"tensor_parallel": 2, "pipeline_parallel": 1}
    moved = {"megatron_directory": str(tree), "output_directory": str(tmp_path / "moved"), **other}
    # The largest shard of all is the moved tree's; the goal stays that of the smaller one.
    peaks["reshard"] = peak("reshard", moved)
    peaks["to_hf"] = peak("to_hf", to_model_job(tree, wide, tmp_path / "back"))
    # Far below, so that a tensor too many is seen.
    assert all(found < most - 120_000_000 for found in peaks.values()), (peaks, most)
    # A few rows of both at a time.
    assert peak("verify", {"a": str(wide), "b": str(tree)}) < 80_000_000


def merging_peaks(folder: Path, layers: int) -> tuple[dict[str, int], int]:
    """The most memory of everything that merges, or cuts anew, and the size of a rank's file."""
    sizes = {**WIDE, **NARROW, "num_hidden_layers": layers}
    folder.mkdir()
    cut = {"tensor_parallel": 4, "pipeline_parallel": 1}
    to_megatron.run(to_tree_job(write_holes(folder / "hf", **sizes), folder / "tree", **cut), quiet)
    with_adapter(folder, cut, **sizes)
    merge = {"megatron_directory": str(folder / "tree"), "lora_directory": str(folder / "lora")}
    moved = {**merge, "tensor_parallel": 2, "output_directory": str(folder / "moved")}
    back = to_model_job(folder / "tree", folder / "hf", folder / "back", **merge)
    peaks = {
        "merge_lora": peak("merge_lora", {**merge, "output_directory": str(folder / "merged")}),
        "merge_lora, another layout": peak("merge_lora", moved),
        "to_hf": peak("to_hf", back),
    }
    return peaks, max(path.stat().st_size for path in (folder / "tree").rglob("*.pt"))


def test_memory_of_a_merge_does_not_follow_the_layers(tmp_path: Path) -> None:
    few, shard = merging_peaks(tmp_path / "few", 1)
    many, _shard = merging_peaks(tmp_path / "many", 3)
    assert all(found < int(1.3 * shard) + 300_000_000 for found in many.values()), (many, shard)
    # 2 layers have 190 MB.
    assert all(many[name] < few[name] + 40_000_000 for name in few), (few, many)
