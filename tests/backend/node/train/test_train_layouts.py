"""Every layout computes what one process computes: loss, each gradient, norms, and parameters after steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from layout_runs import assert_same_steps, run_layouts
from native_cases import shard, tiny_job, write_data

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

LIKE_QWEN = {"family": "qwen2", "tie_embeddings": True, "qkv_bias": True}
CASES: dict[str, dict[str, Any]] = {
    "one": {},
    "tp2": {"tp": 2},
    "pp2": {"pp": 2},
    "dp2": {"dp": 2},
    "tp2_pp2": {"tp": 2, "pp": 2},
    "tp2_dp2": {"tp": 2, "dp": 2},
    "tp2_pp2_sequence": {"tp": 2, "pp": 2, "sequence_parallel": True},
    # One micro batch for four stages: fewer than it takes to fill the pipeline.
    "pp4_one_micro_batch": {"pp": 4, "micro_batch_size": 4},
    "pp4_two_micro_batches": {"pp": 4, "micro_batch_size": 2},
    "pp2_uneven": {"pp": 2, "layers_per_stage": [3, 1]},
    "tied_one": {"architecture": LIKE_QWEN},
    "tied_tp2_pp2": {"tp": 2, "pp": 2, "architecture": LIKE_QWEN},
    "tied_pp2_dp2": {"pp": 2, "dp": 2, "architecture": LIKE_QWEN},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("layouts")
    write_data(folder)
    jobs = {name: tiny_job(folder, **changes) for name, changes in CASES.items()}
    run_layouts(folder, jobs)
    return folder, jobs


def _one(folder: Path, name: str) -> dict[str, Any]:
    reference = "tied_one" if name.startswith("tied") else "one"
    loaded: dict[str, Any] = torch.load(folder / f"{reference}-0.pt")
    return loaded


@pytest.mark.parametrize("name", [name for name in CASES if not name.endswith("one")])
def test_layout_equals_one_process(name: str, results: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    folder, jobs = results
    job, one = jobs[name], _one(folder, name)
    for rank in range(job["npus_per_node"]):
        found = torch.load(folder / f"{name}-{rank}.pt")
        assert found["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert found["evaluated"] == pytest.approx(one["loss"], rel=1e-5)
        assert_same_steps(found, one, job, rank, gradient_bound=1e-5)


@pytest.mark.parametrize("name", [name for name in CASES if not name.endswith("one")])
def test_parameters_stay_equal_after_steps(
    name: str, results: tuple[Path, dict[str, dict[str, Any]]]
) -> None:
    folder, jobs = results
    job, one = jobs[name], _one(folder, name)
    tp, dp = job["tensor_parallel"], job["data_parallel"]
    for rank in range(job["npus_per_node"]):
        found = torch.load(folder / f"{name}-{rank}.pt")["final"]
        for key, expected in shard(one["final"], job, rank % tp, rank // (tp * dp)).items():
            rows = expected.shape[0]
            if key in ("embedding.word_embeddings.weight", "output_layer.weight"):
                # Padding rows get no gradient: only decay moves them.
                rows = min(rows, job["architecture"]["vocab"] - (rank % tp) * rows)
            # The first steps of Adam divide by the gradient's own size: tiny differences show.
            assert torch.allclose(found[key][:rows], expected[:rows], atol=2e-4), (rank, key)


def test_loss_falls(results: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    folder, _jobs = results
    losses = [loss for loss, _norm in _one(folder, "one")["steps"]]
    assert losses[-1] < losses[0]
