"""Each kind of arithmetic, sequences split among ranks and layers computed anew: whatever the layout, the
gradients are those of one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from layout_runs import assert_same_steps, run_layouts
from native_cases import tiny_job, write_data

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "glm": {"family": "chatglm3", "qkv_bias": True},
    # 6 heads: no power of two, so the ranks' slopes are of two series.
    "alibi": {"family": "baichuan2", "rope_theta": 0.0, "hidden": 48, "heads": 6, "kv_heads": 6},
    "tied": {"family": "qwen2", "tie_embeddings": True, "qkv_bias": True},
}
LAYOUTS: dict[str, dict[str, Any]] = {
    "one": {},
    "tp2": {"tp": 2},
    "pp2": {"pp": 2},
    "dp2": {"dp": 2},
    "tp2_pp2": {"tp": 2, "pp": 2},
    "tp2_sequence": {"tp": 2, "sequence_parallel": True},
    "tp2_pp2_sequence": {"tp": 2, "pp": 2, "sequence_parallel": True, "recompute_activations": True},
    "one_recomputed": {"recompute_activations": True},
    "pp2_recomputed": {"pp": 2, "recompute_activations": True},
}
CASES = [f"{kind}-{layout}" for kind in KINDS for layout in LAYOUTS]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("family_layouts")
    write_data(folder)
    jobs = {}
    for name in CASES:
        kind, layout = name.split("-")
        jobs[name] = tiny_job(folder, architecture=KINDS[kind], **LAYOUTS[layout])
    run_layouts(folder, jobs)
    return folder, jobs


def load(folder: Path, name: str, rank: int = 0) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(folder / f"{name}-{rank}.pt")
    return loaded


@pytest.mark.parametrize("name", [name for name in CASES if not name.endswith("-one")])
def test_gradients_equal_one_process(name: str, results: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    folder, jobs = results
    job, one = jobs[name], load(folder, name.partition("-")[0] + "-one")
    for rank in range(job["npus_per_node"]):
        found = load(folder, name, rank)
        assert found["loss"] == pytest.approx(one["loss"], rel=1e-6)
        assert_same_steps(found, one, job, rank, gradient_bound=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_computed_anew_change_no_bit(
    kind: str, results: tuple[Path, dict[str, dict[str, Any]]]
) -> None:
    folder, _jobs = results
    for layout in ("one", "pp2"):
        plain, anew = load(folder, f"{kind}-{layout}"), load(folder, f"{kind}-{layout}_recomputed")
        assert anew["steps"] == plain["steps"]
        for key, expected in plain["gradients"].items():
            assert torch.equal(anew["gradients"][key], expected), key


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_differ(kind: str, results: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    """Otherwise a kind would test another one's arithmetic."""
    folder, _jobs = results
    losses = {other: load(folder, f"{other}-one")["loss"] for other in KINDS}
    assert all(abs(losses[kind] - losses[other]) > 1e-4 for other in KINDS if other != kind)
