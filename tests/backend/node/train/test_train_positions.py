"""Rotary turns and ALiBi's biases: their values, gradients and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from native_cases import tiny_job

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

CPU = torch.device("cpu")


def positions(folder: Path, rank: int = 0, size: int = 1, **architecture: Any) -> Any:
    from backend.node.train.positions import Positions
    from backend.node.train.tensor_group import TensorRanks
    from backend.node.train.train_job_reader import read_train_job

    shape = read_train_job(tiny_job(folder, architecture=architecture)).shape
    return Positions(shape, TensorRanks(rank, size, None))


@pytest.mark.parametrize("neighbours", [False, True])
@pytest.mark.parametrize("turned", [8, 4])
def test_turns_are_those_of_the_plain_models(neighbours: bool, turned: int) -> None:
    from backend.node.train.rotary import make_rotation, turn
    from tests.reference_models.plain_parts import rotary_table, turn_halves, turn_neighbours

    rotation = make_rotation(6, 8, turned, 10000.0, neighbours, torch.float32, CPU)
    mixed = torch.randn(2, 6, 3, 4, 8, generator=torch.Generator().manual_seed(1))
    # Queries are a view of what linear_qkv gives.
    found = turn(mixed[..., :2, :], rotation)
    plain = turn_neighbours if neighbours else turn_halves
    heads_first = mixed[..., :2, :].permute(0, 2, 3, 1, 4)
    expected = plain(heads_first[..., :turned], rotary_table(6, turned, 10000.0, torch.float32))
    expected = torch.cat([expected, heads_first[..., turned:]], -1).permute(0, 3, 1, 2, 4)
    assert torch.allclose(found, expected, atol=1e-6)
    assert found.is_contiguous()


@pytest.mark.parametrize("neighbours", [False, True])
def test_gradients_of_turns(neighbours: bool) -> None:
    from backend.node.train.rotary import make_rotation, turn

    rotation = make_rotation(5, 6, 4, 100.0, neighbours, torch.float64, CPU)
    x = torch.randn(2, 5, 1, 2, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: turn(values, rotation), (x,))


def test_a_turn_keeps_nothing_for_the_backward_pass() -> None:
    from backend.node.train.rotary import make_rotation, turn

    kept: list[Any] = []
    x = torch.randn(1, 5, 1, 2, 4, requires_grad=True)
    rotation = make_rotation(5, 4, 4, 100.0, False, torch.float32, CPU)
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda tensor: tensor):
        turn(x, rotation)
    assert kept == []


@pytest.mark.parametrize("heads", [1, 2, 3, 6, 8, 12, 32, 40, 52, 64])
def test_slopes_are_those_of_the_plain_model(heads: int) -> None:
    from backend.node.train.alibi import alibi_slopes
    from tests.reference_models.plain_baichuan import alibi_slopes as plain_slopes

    assert alibi_slopes(heads) == pytest.approx(plain_slopes(heads), rel=1e-12)


def test_each_rank_has_the_biases_of_its_own_heads(tmp_path: Path) -> None:
    kind = {"family": "baichuan2", "rope_theta": 0.0, "hidden": 48, "heads": 6, "kv_heads": 6}
    whole = positions(tmp_path, **kind).places(9, torch.float32, CPU)
    assert whole.rotation is None
    assert whole.bias.shape == (1, 6, 9, 9)
    parts = [positions(tmp_path, rank, 3, **kind).places(9, torch.float32, CPU).bias for rank in range(3)]
    assert torch.equal(torch.cat(parts, 1), whole.bias)
    later = torch.ones(9, 9, dtype=torch.bool).triu(1)
    assert bool((whole.bias[..., later] == -torch.inf).all())
    assert bool((whole.bias[..., ~later] <= 0).all())


@pytest.mark.parametrize("rope_theta", [10000.0, 0.0])
def test_tables_are_made_once_a_length(tmp_path: Path, rope_theta: float) -> None:
    made = positions(tmp_path, family="baichuan2", rope_theta=rope_theta, kv_heads=4)
    first = made.places(8, torch.float32, CPU)
    assert made.places(8, torch.float32, CPU) is first
    longer = made.places(12, torch.bfloat16, CPU)
    table = longer.bias if rope_theta == 0.0 else longer.rotation.cos
    assert table.dtype == torch.bfloat16
    assert 12 in table.shape


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rope_theta": 0.0}, "architecture.rope_theta"),
        ({"rope_theta": -1.0}, "architecture.rope_theta"),
        ({"family": "baichuan2", "rope_theta": -1.0}, "architecture.rope_theta"),
        ({"family": "chatglm3", "head_dim": 6}, "architecture.head_dim"),
    ],
)
def test_other_positions_are_refused(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    from backend.node.job_lines import JobError
    from backend.node.train.train_job_reader import read_train_job

    with pytest.raises(JobError) as caught:
        read_train_job(tiny_job(tmp_path, architecture=changes))
    assert caught.value.field == field


def test_scaled_positions_are_refused(tmp_path: Path) -> None:
    from backend.node.job_lines import JobError
    from backend.node.train.position_rules import check_positions
    from backend.node.train.train_job_reader import read_train_job

    shape = read_train_job(tiny_job(tmp_path)).shape
    check_positions(shape)
    with pytest.raises(JobError, match="does not scale") as caught:
        check_positions(shape._replace(rope_scaling='{"type": "linear", "factor": 2}'))
    assert caught.value.field == "architecture.rope_scaling"
