"""Random weights: Megatron's spreads, the same model from a seed whatever the layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from native_cases import shard, tiny_job

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def drawn(folder: Path, rank: int = 0, **changes: Any) -> dict[str, Any]:
    from backend.node.train.grid import Grid
    from backend.node.train.initial_weights import initial_weights
    from backend.node.train.train_job_reader import read_train_job

    job = read_train_job(tiny_job(folder, load_directory="", **changes))
    grid = Grid(rank, job.tensor_parallel, job.pipeline_parallel, job.data_parallel)
    return dict(initial_weights(job, grid))


@pytest.mark.parametrize(
    "architecture",
    [{}, {"family": "qwen2", "tie_embeddings": True, "qkv_bias": True}, {"family": "glm4", "qkv_bias": True}],
    ids=["llama", "tied", "glm"],
)
@pytest.mark.parametrize("layout", [{"tp": 2}, {"pp": 2}, {"tp": 2, "pp": 4}, {"tp": 2, "dp": 2}])
def test_every_layout_begins_with_the_same_model(
    tmp_path: Path, architecture: dict[str, Any], layout: dict[str, int]
) -> None:
    whole = drawn(tmp_path, architecture=architecture)
    job = tiny_job(tmp_path, architecture=architecture, **layout)
    tp, dp = job["tensor_parallel"], job["data_parallel"]
    for rank in range(job["npus_per_node"]):
        found = drawn(tmp_path, rank, architecture=architecture, **layout)
        expected = shard(whole, job, rank % tp, rank // (tp * dp))
        assert set(found) == set(expected)
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_spreads_are_those_of_megatron(tmp_path: Path) -> None:
    wide = {"hidden": 256, "heads": 8, "kv_heads": 8, "head_dim": 32, "ffn": 512, "qkv_bias": True}
    found = drawn(tmp_path, architecture=wide, init_method_std=0.05)
    for name, tensor in found.items():
        ending = name.rpartition("layers.")[2].partition(".")[2] or name
        if "layernorm" in ending:
            assert torch.equal(tensor, torch.ones_like(tensor))
        elif ending.endswith("bias"):
            assert torch.equal(tensor, torch.zeros_like(tensor))
        else:
            depth = 8**0.5 if "linear_proj" in ending or "linear_fc2" in ending else 1.0
            assert tensor.std().item() == pytest.approx(0.05 / depth, rel=0.03), name
            assert abs(tensor.mean().item()) < 0.002


def test_tensors_and_seeds_differ(tmp_path: Path) -> None:
    first, other = drawn(tmp_path), drawn(tmp_path, seed=12)
    matrices = [tensor.flatten()[:32] for tensor in first.values() if tensor.dim() > 1]
    assert len({tuple(values.tolist()) for values in matrices}) == len(matrices)
    name = "decoder.layers.0.mlp.linear_fc1.weight"
    assert not torch.equal(first[name], other[name])
    assert torch.equal(first[name], drawn(tmp_path)[name])


def test_a_rank_keeps_its_piece_alone(tmp_path: Path) -> None:
    for tensor in drawn(tmp_path, 1, tp=2).values():
        assert tensor.untyped_storage().nbytes() == tensor.numel() * 4
