"""A new adapter: what it starts with, what it costs, and what of a checkpoint's words counts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from native_cases import micro_batch, shard, tiny_job, whole_weights

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

LORA = {"rank": 4, "alpha": 8}
DOWN, UP = ".lora_A.default.weight", ".lora_B.default.weight"
FC1, FC2 = "decoder.layers.{}.mlp.linear_fc1", "decoder.layers.{}.mlp.linear_fc2"
TOKENS = torch.arange(34).reshape(2, 17) % 67


def make_replica(folder: Path, **changes: Any) -> Any:
    from backend.node.train.grid import Grid
    from backend.node.train.process_groups import Groups
    from backend.node.train.replica import Replica
    from backend.node.train.train_job_reader import read_train_job

    job_json = tiny_job(folder, **changes)
    whole = whole_weights(job_json["architecture"])
    groups = Groups(None, None, None, None)
    return Replica(read_train_job(job_json), Grid(0, 1, 1, 1), groups, torch.device("cpu"), whole)


def new_weights(folder: Path, tp_rank: int = 0, pp_rank: int = 0, **changes: Any) -> dict[str, Any]:
    """What one rank of a layout starts with, without its peers."""
    from backend.node.train.grid import Grid
    from backend.node.train.lora_layers import adapt
    from backend.node.train.lora_weights import with_adapter
    from backend.node.train.model import Stage
    from backend.node.train.rank_weights import vocab_rows
    from backend.node.train.tensor_group import TensorRanks
    from backend.node.train.train_job_reader import read_train_job

    job_json = tiny_job(folder, **{"lora": LORA, **changes})
    job = read_train_job(job_json)
    grid = Grid(pp_rank * job.tensor_parallel + tp_rank, job.tensor_parallel, job.pipeline_parallel, 1)
    part = shard(whole_weights(job_json["architecture"]), job_json, tp_rank, pp_rank)
    rows = vocab_rows(job, grid, part)
    ranks = TensorRanks(tp_rank, grid.tp, None, False)
    stage = Stage(job.shape, job.layers_per_stage[pp_rank], rows.first, rows.size, grid, ranks, False)
    assert job.lora is not None
    adapt(stage, job.lora)
    found = dict(with_adapter(stage, part, job, grid))
    shapes = {name: parameter.shape for name, parameter in stage.named_parameters()}
    assert {name: tensor.shape for name, tensor in found.items()} == shapes
    return found


def test_a_new_adapter_changes_nothing_yet(tmp_path: Path) -> None:
    plain, adapted = make_replica(tmp_path), make_replica(tmp_path, lora=LORA)
    with torch.no_grad():
        assert torch.equal(adapted.stage(TOKENS), plain.stage(TOKENS))
    adapted.compute_gradients([micro_batch(TOKENS)])
    flat = adapted.parameters
    gradients = {name: flat.view(flat.gradient, name) for name in flat.places}
    assert all(slope.abs().max() > 0 for name, slope in gradients.items() if name.endswith(UP))
    assert all(slope.abs().max() == 0 for name, slope in gradients.items() if name.endswith(DOWN))


def test_the_lower_half_is_uniform_as_peft_has_it(tmp_path: Path) -> None:
    found = new_weights(tmp_path, lora={"rank": 16, "alpha": 16})
    for module, width in ((FC1, 32), (FC2, 48)):
        bound = 1 / math.sqrt(width)
        down = torch.cat([found[module.format(layer) + DOWN].flatten() for layer in range(4)])
        assert down.abs().max() <= bound
        assert down.abs().max() > 0.99 * bound
        assert down.mean().abs() < 0.05 * bound
        assert down.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_a_new_adapter_is_the_same_in_every_layout(tmp_path: Path) -> None:
    whole = new_weights(tmp_path)
    for pp_rank in range(2):
        for tp_rank in range(2):
            part = new_weights(tmp_path, tp_rank, pp_rank, tp=2, pp=2)
            expected = shard(whole, tiny_job(tmp_path, tp=2, pp=2), tp_rank, pp_rank)
            assert set(part) == set(expected)
            assert all(torch.equal(part[name], expected[name]) for name in expected)


def test_a_new_adapter_comes_from_the_seed_and_the_layer(tmp_path: Path) -> None:
    found, again = new_weights(tmp_path), new_weights(tmp_path)
    other = new_weights(tmp_path, seed=12)
    first, second = FC1.format(0) + DOWN, FC1.format(1) + DOWN
    assert torch.equal(found[first], again[first])
    assert not torch.equal(found[first], other[first])
    assert not torch.equal(found[first], found[second])


def test_frozen_weights_cost_their_own_bytes_alone(tmp_path: Path) -> None:
    replica = make_replica(tmp_path, lora=LORA, dtype="bf16", architecture={"qkv_bias": True})
    replica.compute_gradients([micro_batch(TOKENS)])
    replica.optimizer.step(1e-3, 1.0)
    trained = sum(count for _start, count in replica.parameters.places.values())
    # Per layer rank x (inputs + outputs) of qkv, proj, fc1, fc2.
    assert trained == 4 * 4 * ((32 + 64) + (32 + 32) + (32 + 96) + (48 + 32))
    padded = replica.parameters.master.numel()
    assert padded <= trained + 127 * len(replica.parameters.places)
    states = [value for slot in replica.optimizer.state()["adam"].values() for value in slot.values()]
    assert sum(value.numel() for value in states if value.dim()) == 2 * padded
    for name, parameter in replica.stage.named_parameters():
        assert parameter.grad is None
        assert parameter.requires_grad == (".lora_" in name)
        if not parameter.requires_grad:
            assert parameter.dtype == torch.bfloat16
            assert parameter.untyped_storage().nbytes() == 2 * parameter.numel()


def test_an_alpha_that_arguments_name_without_an_adapter_says_nothing(tmp_path: Path) -> None:
    """ModelLink's converter writes the default of its flag beside plain weights."""
    from backend.node.job_lines import JobError
    from backend.node.train.lora_agreement import check_alpha
    from backend.node.train.train_job_reader import read_train_job

    job = read_train_job(tiny_job(tmp_path, lora=LORA))
    plain = whole_weights(tiny_job(tmp_path)["architecture"])
    check_alpha({"lora_alpha": 32}, plain, job)
    with pytest.raises(JobError) as caught:
        check_alpha({"lora_alpha": 32}, new_weights(tmp_path), job)
    assert caught.value.field == "lora.alpha"
