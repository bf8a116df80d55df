"""The memory of a conversion follows a tensor, not the model: measured in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from random_llama import llama_config, to_model_job, to_tree_job

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
_RUN = """
import json, resource, sys
from backend.node.weights import reshard, to_hf, to_megatron
action = {"to_megatron": to_megatron, "to_hf": to_hf, "reshard": reshard}[sys.argv[1]]
action.run(json.loads(sys.argv[2]), lambda progress: None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of holes."""
    folder = tmp_path_factory.mktemp("wide")
    config = llama_config(**WIDE)
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
