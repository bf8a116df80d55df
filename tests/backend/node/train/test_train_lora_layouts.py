"""An adapter trains the same under every layout, and nothing but the adapter moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from layout_runs import run_layouts
from native_cases import adapted_weights, shard, tiny_job, whole_weights, write_data

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

LORA = {
    "rank": 4,
    "alpha": 8,
    "target_modules": ["linear_qkv", "linear_proj", "linear_fc1", "linear_fc2"],
}
ATTENTION = {**LORA, "target_modules": ["linear_qkv", "linear_proj"]}
LIKE_QWEN = {"family": "qwen2", "tie_embeddings": True, "qkv_bias": True}
CASES: dict[str, dict[str, Any]] = {
    "one": {},
    "tp2": {"tp": 2},
    "pp2": {"pp": 2},
    "dp2": {"dp": 2},
    "tp2_pp2": {"tp": 2, "pp": 2},
    "tp2_dp2": {"tp": 2, "dp": 2},
    "pp4": {"pp": 4},
    "tp2_pp2_sequence_recomputed": {
        "tp": 2,
        "pp": 2,
        "sequence_parallel": True,
        "recompute_activations": True,
    },
    "tied_one": {"architecture": LIKE_QWEN, "lora": ATTENTION},
    "tied_tp2_pp2": {"tp": 2, "pp": 2, "architecture": LIKE_QWEN, "lora": ATTENTION},
}
LAYOUTS = [name for name in CASES if not name.endswith("one")]
Results = tuple[Path, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("lora_layouts")
    write_data(folder)
    jobs = {name: tiny_job(folder, **{"lora": LORA, **changes}) for name, changes in CASES.items()}
    run_layouts(folder, jobs)
    return folder, jobs


def found_by(results: Results, name: str, rank: int) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(results[0] / f"{name}-{rank}.pt")
    return loaded


def reference(results: Results, name: str) -> dict[str, Any]:
    return found_by(results, "tied_one" if name.startswith("tied") else "one", 0)


@pytest.mark.parametrize("name", LAYOUTS)
def test_gradients_and_norms_are_those_of_one_process(name: str, results: Results) -> None:
    job, one = results[1][name], reference(results, name)
    tp, dp = job["tensor_parallel"], job["data_parallel"]
    for rank in range(job["npus_per_node"]):
        found = found_by(results, name, rank)
        assert found["loss"] == pytest.approx(one["loss"], rel=2e-6)
        for step, expected in zip(found["steps"], one["steps"], strict=True):
            assert step == pytest.approx(expected, rel=1e-5)
        gradients = shard(one["gradients"], job, rank % tp, rank // (tp * dp))
        assert set(gradients) == set(found["gradients"])
        for key, expected in gradients.items():
            scale = expected.abs().max().item()
            assert scale > 0
            assert (found["gradients"][key] - expected).abs().max().item() < 2e-6 * scale, (rank, key)


@pytest.mark.parametrize("name", CASES)
def test_only_adapters_have_gradients_and_move(name: str, results: Results) -> None:
    job = results[1][name]
    tp, dp = job["tensor_parallel"], job["data_parallel"]
    whole = adapted_weights(whole_weights(job["architecture"]), job["lora"])
    one = reference(results, name)["final"]
    for rank in range(job["npus_per_node"]):
        found = found_by(results, name, rank)
        before = shard(whole, job, rank % tp, rank // (tp * dp))
        after = shard(one, job, rank % tp, rank // (tp * dp))
        assert set(found["final"]) == set(before)
        assert set(found["gradients"]) == {key for key in before if ".lora_" in key}
        for key, value in found["final"].items():
            if ".lora_" in key:
                assert not torch.equal(value, before[key])
                # The first steps of Adam divide by the gradient's own size: tiny differences show.
                assert torch.allclose(value, after[key], atol=2e-4), (rank, key)
            else:
                assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("name", ["tp2", "tp2_pp2"])
def test_whole_halves_stay_the_same_on_all_ranks(name: str, results: Results) -> None:
    first, second = (found_by(results, name, rank)["final"] for rank in (0, 1))
    for layer in range(2):
        for half in ("self_attention.linear_qkv.lora_A", "mlp.linear_fc2.lora_B"):
            key = f"decoder.layers.{layer}.{half}.default.weight"
            assert torch.equal(first[key], second[key])
