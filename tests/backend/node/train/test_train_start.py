"""What a run begins with: trees of either format, by npudeck or by Megatron, or nothing at all."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from native_cases import rank_environment, shard, tiny_job, whole_weights, write_data, write_weights
from one_rank import all_tensors, assert_same, one_rank, train

from backend.node.weights.tree_formats import FORMATS

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
__all__ = ["one_rank"]

LIKE_QWEN = {"family": "qwen2", "tie_embeddings": True, "qkv_bias": True}


def write_legacy(job: dict[str, Any]) -> None:
    """The tree of `write_weights` in the legacy format."""
    from backend.node.weights import shards

    tp, pp = job["tensor_parallel"], job["pipeline_parallel"]
    whole = whole_weights(job["architecture"])
    for pp_rank in range(pp):
        for tp_rank in range(tp):
            part = shard(whole, job, tp_rank, pp_rank)
            folder = Path(job["load_directory"]) / "iter_0000001"
            folder = folder / shards.rank_directory_name(tp_rank, pp_rank, pp)
            args = {"tensor_model_parallel_size": tp, "pipeline_model_parallel_size": pp}
            shards.write_rank_file(str(folder), 1, legacy(part, job), {}, args)
    shards.publish(job["load_directory"], 1)


def legacy(part: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    names = {}
    for layer in range(4):
        for name, template in FORMATS["mcore"].names.items():
            names[template.format(layer=layer)] = FORMATS["legacy"].names[name].format(layer=layer)
    if job["architecture"]["tie_embeddings"]:
        names["output_layer.weight"] = FORMATS["legacy"].tied_head
    nested: dict[str, Any] = OrderedDict()
    for name, tensor in part.items():
        levels = names[name].split("/")
        inner = nested
        for level in levels[:-1]:
            inner = inner.setdefault(level, OrderedDict())
        inner[levels[-1]] = tensor
        if name.endswith("linear_proj.weight"):
            inner[levels[-1].replace("weight", "_extra_state")] = None
    return nested


@pytest.mark.parametrize("architecture", [{}, LIKE_QWEN])
def test_a_legacy_tree_gives_the_same_weights(tmp_path: Path, architecture: dict[str, Any]) -> None:
    from backend.node.train.grid import Grid
    from backend.node.train.train_job_reader import read_train_job
    from backend.node.train.tree_weights import TreeWeights, check_tree

    job = tiny_job(tmp_path, tp=2, pp=2, architecture=architecture)
    write_legacy(job)
    check_tree(job["load_directory"], read_train_job(job))
    for rank in range(4):
        grid = Grid(rank, 2, 2, 1)
        found = TreeWeights(job["load_directory"], grid)
        expected = shard(whole_weights(job["architecture"]), job, grid.tp_rank, grid.pp_rank)
        assert_same(dict(found), expected)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_the_dtype_of_the_tree_is_kept(tmp_path: Path, dtype: str) -> None:
    from backend.node.train.grid import Grid
    from backend.node.train.tree_weights import TreeWeights

    job = tiny_job(tmp_path)
    whole = {
        name: tensor.to(getattr(torch, dtype)) for name, tensor in whole_weights(job["architecture"]).items()
    }
    write_weights(tmp_path, job, whole)
    assert_same(dict(TreeWeights(job["load_directory"], Grid(0, 1, 1, 1))), whole)


@pytest.mark.usefixtures("one_rank")
def test_a_run_from_random_weights_learns_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = tiny_job(tmp_path, load_directory="", train_iterations=8, save_interval=4)
    write_data(tmp_path)
    train(job)
    printed = capsys.readouterr().out
    losses = [float(line.split("|")[5].split()[-1]) for line in printed.splitlines() if line[:2] == " ["]
    assert losses[-1] < losses[0]
    assert "loaded checkpoint" not in printed
    saved = tmp_path / "saved"
    expected = all_tensors(saved, 8)
    (saved / "latest_checkpointed_iteration.txt").write_text("4")
    train(job)
    assert_same(all_tensors(saved, 8), expected)


@pytest.mark.usefixtures("one_rank")
def test_args_of_other_trees_are_carried_on_without_their_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import argparse
    import enum
    import types

    from backend.node.weights import shards
    from backend.node.weights.safe_load import load_tensors

    theirs = types.ModuleType("megatron.core.enums")
    theirs.ModelType = enum.Enum("ModelType", ["encoder_or_decoder"], module=theirs.__name__)  # type: ignore[attr-defined]
    for name in ("megatron", "megatron.core"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, theirs.__name__, theirs)
    job = tiny_job(tmp_path, train_iterations=1)
    write_data(tmp_path)
    whole = whole_weights(job["architecture"])
    write_weights(tmp_path, job, whole)
    path = Path(job["load_directory"]) / "iter_0000001" / "mp_rank_00" / "model_optim_rng.pt"
    args = argparse.Namespace(
        num_layers=4,
        model_type=theirs.ModelType.encoder_or_decoder,  # type: ignore[attr-defined]
        patches=["a", torch.float16],
        theirs=[1, "b"],
    )
    torch.save({"args": args, "model": whole, "iteration": 1}, path)
    train(job)
    saved = vars(load_tensors(str(tmp_path / "saved" / "iter_0000001" / "mp_rank_00" / path.name))["args"])
    assert saved["theirs"] == [1, "b"]
    assert "model_type" not in saved
    assert "patches" not in saved
    assert (saved["num_attention_heads"], saved["num_query_groups"]) == (4, 2)
    assert saved["params_dtype"] is torch.float32
    assert shards.load_rank(str(tmp_path / "saved"), 0, 0, 1, 1)


@pytest.mark.skipif(importlib.util.find_spec("megatron") is None, reason="megatron-core is not installed")
def test_a_checkpoint_of_megatron_core_gives_its_logits(tmp_path: Path) -> None:
    from megatron_core_worker import TOKENS

    from backend.node.train.grid import Grid
    from backend.node.train.process_groups import Groups
    from backend.node.train.replica import Replica
    from backend.node.train.train_job_reader import read_train_job
    from backend.node.train.tree_weights import TreeWeights, check_tree

    worker = Path(__file__).with_name("megatron_core_worker.py")
    subprocess.run(
        [sys.executable, str(worker), str(tmp_path / "core")],
        env=rank_environment(GLOO_SOCKET_IFNAME="lo"),
        check=True,
        timeout=300,
    )
    changes = {"family": "qwen2", "qkv_bias": True}
    job_json = tiny_job(tmp_path, load_directory=str(tmp_path / "core"), architecture=changes)
    job = read_train_job(job_json)
    check_tree(job.load_directory, job)
    grid = Grid(0, 1, 1, 1)
    weights = TreeWeights(job.load_directory, grid)
    replica = Replica(job, grid, Groups(None, None, None, None), torch.device("cpu"), weights)
    with torch.no_grad():
        found = replica.stage(TOKENS)
    expected = torch.load(tmp_path / "core" / "logits.pt")
    assert (found - expected).abs().max().item() < 1e-5
