"""AdamW on the flat buffers: who decays, what a checkpoint keeps, and what it refuses."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from native_cases import tiny_job, whole_weights

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

MATRIX, NORM = "decoder.layers.0.mlp.linear_fc1.weight", "decoder.final_layernorm.weight"


def make_replica(folder: Path, **changes: Any) -> Any:
    from backend.node.train.grid import Grid
    from backend.node.train.process_groups import Groups
    from backend.node.train.replica import Replica
    from backend.node.train.train_job_reader import read_train_job

    job_json = tiny_job(folder, **changes)
    whole = whole_weights(job_json["architecture"])
    groups = Groups(None, None, None, None)
    return Replica(read_train_job(job_json), Grid(0, 1, 1, 1), groups, torch.device("cpu"), whole)


def take_step(replica: Any, seed: int) -> None:
    chance = torch.Generator().manual_seed(seed)
    for name in replica.parameters.places:
        slope = replica.parameters.view(replica.parameters.gradient, name)
        slope.copy_(torch.randn(slope.shape, generator=chance))
    replica.optimizer.step(1e-2, 0.5)


def test_steps_are_those_of_adam_on_each_parameter(tmp_path: Path) -> None:
    replica = make_replica(tmp_path)
    parameters = replica.parameters
    alone = {
        name: torch.nn.Parameter(parameters.view(parameters.master, name).clone()) for name in (MATRIX, NORM)
    }
    adam = torch.optim.AdamW(
        [{"params": [alone[MATRIX]], "weight_decay": 0.1}, {"params": [alone[NORM]], "weight_decay": 0.0}],
        lr=1e-2,
        betas=(0.9, 0.95),
    )
    for seed in range(3):
        chance = torch.Generator().manual_seed(seed)
        for name in parameters.places:
            slope = torch.randn(parameters.shape(name), generator=chance)
            if name in alone:
                alone[name].grad = slope * 0.5
        adam.step()
        take_step(replica, seed)
        assert parameters.gradient.abs().max() == 0.0
    for name, expected in alone.items():
        assert torch.allclose(parameters.view(parameters.master, name), expected, atol=1e-7)


def test_no_gradient_leaves_norms_and_shrinks_matrices(tmp_path: Path) -> None:
    replica = make_replica(tmp_path)
    before = {name: value.clone() for name, value in replica.parameters.state().items()}
    replica.optimizer.step(1e-2, 1.0)
    after = replica.parameters.state()
    assert torch.equal(after[NORM], before[NORM])
    assert torch.allclose(after[MATRIX], before[MATRIX] * (1 - 1e-2 * 0.1))


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_saved_state_goes_on_where_it_stopped(tmp_path: Path, dtype: str) -> None:
    first, second = make_replica(tmp_path, dtype=dtype), make_replica(tmp_path, dtype=dtype)
    take_step(first, 1)
    torch.save(first.optimizer.state(), tmp_path / "optimizer.pt")
    for name, value in first.parameters.state().items():
        second.parameters.load(name, value)
    assert second.optimizer.load(torch.load(tmp_path / "optimizer.pt", mmap=True, weights_only=True))
    (tmp_path / "optimizer.pt").unlink()
    for replica in (first, second):
        take_step(replica, 2)
    assert torch.equal(first.parameters.master, second.parameters.master)


def test_decay_is_that_of_the_run_not_of_the_saved_one(tmp_path: Path) -> None:
    first, second = make_replica(tmp_path), make_replica(tmp_path, weight_decay=0.0)
    take_step(first, 1)
    state = copy.deepcopy(first.optimizer.state())
    for slot in state["adam"].values():
        slot["exp_avg"].zero_()
    assert second.optimizer.load(state)
    before = second.parameters.state()[MATRIX].clone()
    second.optimizer.step(1e-2, 1.0)
    assert torch.equal(second.parameters.state()[MATRIX], before)


@pytest.mark.parametrize(
    "changes", [{"dtype": "bf16"}, {"architecture": {"ffn": 64}}], ids=["dtype", "shape"]
)
def test_the_state_of_other_parameters_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    first, second = make_replica(tmp_path), make_replica(tmp_path, **changes)
    take_step(first, 1)
    before = second.parameters.master.clone()
    assert not second.optimizer.load(first.optimizer.state())
    assert torch.equal(second.parameters.master, before)


def test_betas_and_eps_are_the_job_s(tmp_path: Path) -> None:
    replica = make_replica(tmp_path, adam_beta1=0.5, adam_beta2=0.75, adam_eps=1e-3, weight_decay=0.0)
    parameters = replica.parameters
    before = parameters.view(parameters.master, MATRIX).clone()
    slope = torch.randn(before.shape, generator=torch.Generator().manual_seed(4))
    moment, square = torch.zeros_like(slope), torch.zeros_like(slope)
    for number, times in enumerate((1.0, -0.5), start=1):
        parameters.view(parameters.gradient, MATRIX).copy_(slope * times)
        replica.optimizer.step(1e-2, 1.0)
        moment = 0.5 * moment + 0.5 * slope * times
        square = 0.75 * square + 0.25 * (slope * times) ** 2
        before -= 1e-2 * (moment / (1 - 0.5**number)) / ((square / (1 - 0.75**number)).sqrt() + 1e-3)
    assert torch.allclose(parameters.view(parameters.master, MATRIX), before, atol=1e-6)
