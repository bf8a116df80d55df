"""One Megatron tree to another layout and format: what comes straight from the Hugging Face model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from reference_trees import case_name, job_for_case, rank_content, reference_cases

from backend.node.job_lines import JobError
from backend.node.weights import reshard, to_megatron

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

CASES = reference_cases()
if not CASES:
    pytest.skip("the reference trees are not on this machine", allow_module_level=True)


def contents(tree: Path) -> dict[str, Any]:
    return {str(path.relative_to(tree)): rank_content(path) for path in sorted(tree.rglob("*.pt"))}


LAYOUTS = [(1, 1, "mcore"), (2, 4, "legacy"), (4, 2, "mcore"), (2, 1, "legacy"), (2, 2, "mcore")]


@pytest.mark.parametrize(
    ("case", "layout"),
    [
        (case, layout)
        for number, case in enumerate(CASES)
        for layout in (LAYOUTS[number % 5], LAYOUTS[(number + 2) % 5])
    ],
    ids=lambda value: case_name(value) if isinstance(value, Path) else "-".join(map(str, value)),
)
def test_the_new_tree_equals_the_direct_one(case: Path, layout: tuple[int, int, str], tmp_path: Path) -> None:
    job = job_for_case(case, tmp_path / "direct")
    # Where PP stays, the stages stay too.
    stages = job["layers_per_stage"] if layout[1] == job["pipeline_parallel"] else None
    asked = {"tensor_parallel": layout[0], "pipeline_parallel": layout[1], "format": layout[2]}
    try:
        to_megatron.run(
            {**job, **asked, "layers_per_stage": stages, "layers_per_virtual_stage": None},
            lambda progress: None,
        )
    except JobError:
        pytest.skip("the model does not divide so")
    moved = {
        "megatron_directory": str(case / "megatron"),
        "output_directory": str(tmp_path / "moved"),
        "make_vocab_size_divisible_by": job["make_vocab_size_divisible_by"],
        **asked,
    }
    reshard.run(moved, lambda progress: None)
    assert contents(tmp_path / "moved") == contents(tmp_path / "direct")


def test_what_is_not_said_stays(tmp_path: Path) -> None:
    case = next(case for case in CASES if "vpp" in case.name)
    job = {"megatron_directory": str(case / "megatron"), "output_directory": str(tmp_path / "moved")}
    reshard.run(job, lambda progress: None)
    assert contents(tmp_path / "moved") == contents(case / "megatron")


def test_rope_theta_is_null_where_nobody_says_it(tmp_path: Path) -> None:
    case = next(case for case in CASES if "llama3" in str(case))
    job = {"megatron_directory": str(case / "megatron"), "output_directory": str(tmp_path / "foreign")}
    found = reshard.run(job, lambda progress: None).manifest
    assert (found["rope_theta"], found["model"]["rope_theta"]) == (None, None)
    assert found["made_from"]["action"] == "reshard"
    # Ours beside it says so, and again after a second time.
    ours = to_megatron.run(job_for_case(case, tmp_path / "ours"), lambda progress: None).manifest
    assert ours["rope_theta"] not in (None, 10000.0)
    job = {"megatron_directory": str(tmp_path / "ours"), "output_directory": str(tmp_path / "moved")}
    assert reshard.run(job, lambda progress: None).manifest["rope_theta"] == ours["rope_theta"]
    job = {"megatron_directory": str(tmp_path / "foreign"), "output_directory": str(tmp_path / "again")}
    assert reshard.run(job, lambda progress: None).manifest["rope_theta"] is None
