"""Layers that are computed anew keep their inputs alone between the passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from native_cases import tiny_job, whole_weights

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def kept_values(folder: Path, **changes: Any) -> int:
    """Values that the forward pass keeps for the backward pass, parameters not counted."""
    from backend.node.train.grid import Grid
    from backend.node.train.process_groups import Groups
    from backend.node.train.replica import Replica
    from backend.node.train.train_job_reader import read_train_job

    job_json = tiny_job(folder, **changes)
    replica = Replica(
        read_train_job(job_json),
        Grid(0, 1, 1, 1),
        Groups(None, None, None, None),
        torch.device("cpu"),
        whole_weights(job_json["architecture"]),
    )
    kept: dict[int, int] = {}

    def keep(tensor: Any) -> Any:
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // 4
        return tensor

    parameters = {parameter.untyped_storage().data_ptr() for parameter in replica.stage.parameters()}
    tokens = torch.arange(16)[None] % 67
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = replica.stage(tokens)
    assert logits.requires_grad
    return sum(size for place, size in kept.items() if place not in parameters)


def test_less_is_kept(tmp_path: Path) -> None:
    plain, anew = kept_values(tmp_path), kept_values(tmp_path, recompute_activations=True)
    inputs = 16 * 32
    # Of a layer at least: the inputs of both norms, both norms' results, gate, up, and what fc2 takes.
    assert plain >= 4 * (4 * inputs + 3 * 16 * 48)
    # The final norm and the head keep something as well.
    assert 0 < anew <= 4 * inputs + 4 * inputs
