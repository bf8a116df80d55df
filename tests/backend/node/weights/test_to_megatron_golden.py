"""Hugging Face to Megatron against trees that the reference converter wrote: every entry, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from reference_trees import case_name, facts_of, job_for_case, rank_content, reference_cases

from backend.node.weights import to_megatron
from backend.node.weights.progress import Progress

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

CASES = reference_cases()
if not CASES:
    pytest.skip("the reference trees are not on this machine", allow_module_level=True)

TRACKER = "latest_checkpointed_iteration.txt"


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_the_tree_equals_the_reference(case: Path, tmp_path: Path) -> None:
    output = tmp_path / "tree"
    told: list[Progress] = []
    outcome = to_megatron.run(job_for_case(case, output), told.append)
    assert (output / TRACKER).read_bytes() == (case / "megatron" / TRACKER).read_bytes()
    expected = sorted(path.relative_to(case / "megatron") for path in (case / "megatron").rglob("*.pt"))
    assert sorted(path.relative_to(output) for path in output.rglob("*.pt")) == expected
    for name in expected:
        ours, theirs = rank_content(output / name), rank_content(case / "megatron" / name)
        assert ours == theirs
    written = [progress for progress in told if progress.total_bytes]
    assert written[-1].done_bytes == written[-1].total_bytes == outcome.manifest["counts"]["bytes"]


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_the_arguments_are_those_of_the_reference(case: Path, tmp_path: Path) -> None:
    from backend.node.weights.megatron_tree import MegatronTree

    to_megatron.run(job_for_case(case, tmp_path / "tree"), lambda progress: None)
    ours, theirs = MegatronTree(str(tmp_path / "tree")), MegatronTree(str(case / "megatron"))
    assert (ours.format, ours.layout) == (theirs.format, theirs.layout)
    said = facts_of(case).get("megatron_args") or {}
    differing = {
        name
        for name in said
        if name in ours.args and name in theirs.args and ours.args[name] != theirs.args[name]
    }
    assert differing <= {"load", "save"}
