"""What a rank holds is what the plan of its file says: for every model of the catalog, and as trees are
padded."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from native_cases import tiny_job

from backend.catalog.catalog_files import load_models

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

MODELS = {model.name: model for model in load_models()}


def stage_shapes(job_json: dict[str, Any], rank: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Shapes of the stage's parameters, and those of the plan."""
    from backend.node.train.grid import Grid
    from backend.node.train.model import Stage
    from backend.node.train.rank_weights import planned_shapes
    from backend.node.train.tensor_group import TensorRanks
    from backend.node.train.train_job_reader import read_train_job
    from backend.node.weights.layout import pad_vocabulary

    job = read_train_job(job_json)
    grid = Grid(rank, job.tensor_parallel, job.pipeline_parallel, job.data_parallel)
    padded = pad_vocabulary(job.shape.vocab, grid.tp)
    rows = padded // grid.tp
    ranks = TensorRanks(grid.tp_rank, grid.tp, None)
    stage = Stage(job.shape, job.layers_per_stage[grid.pp_rank], rows * grid.tp_rank, rows, grid, ranks)
    assert all(parameter.is_meta for parameter in stage.parameters())
    shapes = {name: tuple(parameter.shape) for name, parameter in stage.named_parameters()}
    return shapes, planned_shapes(job, grid, padded)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_of_the_catalog_can_be_built(name: str, tmp_path: Path) -> None:
    model = MODELS[name]
    architecture = dataclasses.asdict(model.architecture)
    layers = model.architecture.layers
    shapes, planned = stage_shapes(
        tiny_job(tmp_path, architecture=architecture, layers_per_stage=[layers]), 0
    )
    assert shapes == planned
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == model.parameters
    job = tiny_job(tmp_path, 2, 4, architecture=architecture, layers_per_stage=[layers - 3, 1, 1, 1])
    for rank in range(8):
        shapes, planned = stage_shapes(job, rank)
        assert shapes == planned, rank


def replica_of(job_json: dict[str, Any], weights: dict[str, Any], rank: int) -> Any:
    from backend.node.train.grid import Grid
    from backend.node.train.process_groups import Groups
    from backend.node.train.replica import Replica
    from backend.node.train.train_job_reader import read_train_job

    job = read_train_job(job_json)
    grid = Grid(rank, job.tensor_parallel, job.pipeline_parallel, job.data_parallel)
    return Replica(job, grid, Groups(None, None, None, None), torch.device("cpu"), weights)


def test_shards_of_a_tree_without_padding_are_taken(tmp_path: Path) -> None:
    from native_cases import shard, whole_weights

    job = tiny_job(tmp_path, 2)
    whole = whole_weights(job["architecture"])
    for rank, (first, rows) in enumerate([(0, 34), (34, 33)]):
        weights = shard(whole, job, rank, 0)
        for name in ("embedding.word_embeddings.weight", "output_layer.weight"):
            weights[name] = whole[name][first : first + rows]
        replica = replica_of(job, weights, rank)
        assert replica.stage.first_row == first
        found = replica.state()["embedding.word_embeddings.weight"]
        assert torch.equal(found, whole["embedding.word_embeddings.weight"][first : first + rows])
