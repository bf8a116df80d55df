"""What a folder of weights is said to be: every reference conversion, and what broken ones lack."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from golden_facts import all_cases, facts_of, name_of

from backend.node.job_lines import JobError
from backend.node.weights import export_adapter, to_megatron
from backend.node.weights.inspect_weights import inspect_weights
from backend.node.weights.progress import Progress

CASES = all_cases()
needs_cases = pytest.mark.skipif(not CASES, reason="the reference trees are not on this machine")


def case_of(name: str) -> Path:
    return next(case for case in CASES if name_of(case) == name)


def quiet(_progress: Progress) -> None:
    """Nobody is told."""


@needs_cases
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_reference_model_is_recognised(case: Path) -> None:
    report = inspect_weights(str(case / "hf"))
    assert report["kind"] == "hf"
    assert report["complete"], report["problems"]
    # Tiny models of these families have neither the vocabulary nor the groups that tell them apart.
    close = {"llama3": ("llama2", "llama3"), "yi": ("llama2", "yi"), "qwen2": ("qwen1.5", "qwen2")}
    close |= {"qwen1.5": ("qwen1.5", "qwen2"), "glm4": ("chatglm3", "glm4")}
    assert report["family"] in close.get(case.parent.name, (case.parent.name,))
    assert report["parameters"] > 0
    assert report["bytes"] > report["weight_bytes"] > 0
    assert report["format"] in ("safetensors", "pytorch")


@needs_cases
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_reference_tree_is_recognised(case: Path) -> None:
    report = inspect_weights(str(case / "megatron"))
    assert report["kind"] == "megatron"
    assert report["complete"], report["problems"]
    facts = facts_of(case)
    assert report["format"] == facts["format"]
    args = facts.get("megatron_args", {})
    for key, name in (("tp", "tensor_model_parallel_size"), ("pp", "pipeline_model_parallel_size")):
        assert report["layout"][key] == args.get(name, report["layout"][key])
    assert report["iteration"] == 1
    assert report["iterations"] == [1]
    assert not report["optimizer"]
    assert report["rope_theta"] is None
    hf = inspect_weights(str(case / "hf"))
    assert report["model"]["layers"] == hf["model"]["layers"]


@needs_cases
def test_an_adapter_is_one() -> None:
    report = inspect_weights(str(case_of("llama2/lora_mcore_tp2pp1") / "lora"))
    assert (report["kind"], report["complete"]) == ("lora", True)
    assert report["lora"] == {
        "rank": 8,
        "alpha": 16,
        "targets": ["linear_fc1", "linear_fc2", "linear_proj", "linear_qkv"],
    }


@needs_cases
def test_the_manifest_says_what_a_tree_does_not(tmp_path: Path) -> None:
    job = {
        "hf_directory": str(case_of("llama3/mcore_tp2pp2") / "hf"),
        "output_directory": str(tmp_path / "tree"),
        "tensor_parallel": 2,
        "pipeline_parallel": 2,
    }
    to_megatron.run(job, quiet)
    report = inspect_weights(str(tmp_path / "tree"))
    assert report["rope_theta"] > 0
    assert report["family"]
    assert report["made_from"]["action"] == "to-megatron"
    json.dumps(report)


def broken(tmp_path: Path, name: str, part: str, path: str) -> dict[str, Any]:
    folder = shutil.copytree(case_of(name) / part, tmp_path / "copy")
    for inner in (folder, *folder.rglob("*")):
        inner.chmod(0o700)
    found = next(folder.glob(path))
    shutil.rmtree(found) if found.is_dir() else found.unlink()
    return inspect_weights(str(folder))


@needs_cases
@pytest.mark.parametrize(
    ("name", "part", "path", "message"),
    [
        ("llama3/mcore_tp2pp2", "megatron", "iter_*/mp_rank_01_001", "rank"),
        ("llama3/mcore_tp2pp2", "megatron", "latest*", "there is no checkpoint"),
        ("llama3/mcore_tp2pp2", "megatron", "iter_0000001", "no such folder"),
        ("llama3/mcore_tp2pp2", "hf", "config.json", "cannot read"),
        ("llama3/mcore_tp2pp2", "hf", "*.safetensors", "no such file|no weights"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, name: str, part: str, path: str, message: str) -> None:
    import re

    report = broken(tmp_path, name, part, path)
    assert not report["complete"]
    said = " ".join(one["what"] + one["why"] for one in report["problems"])
    assert re.search(message, said), said
    assert report["kind"] == ("hf" if part == "hf" else "megatron")


@needs_cases
def test_one_iteration_is_a_level_too_deep() -> None:
    report = inspect_weights(str(case_of("llama3/mcore_tp2pp2") / "megatron" / "iter_0000001"))
    assert not report["complete"]
    assert "give the folder above" in report["problems"][0]["fix"]


@needs_cases
def test_an_adapter_of_peft(tmp_path: Path) -> None:
    case = case_of("llama2/lora_legacy_tp2pp2")
    job = {
        "lora_directory": str(case / "lora"),
        "like_directory": str(case / "hf"),
        "output_directory": str(tmp_path / "peft"),
    }
    export_adapter.run(job, quiet)
    report = inspect_weights(str(tmp_path / "peft"))
    assert (report["kind"], report["complete"], report["format"]) == ("peft", True, "safetensors")
    assert (report["lora"]["rank"], report["lora"]["alpha"], report["dtype"]) == (4, 8, "fp16")
    (tmp_path / "peft" / "adapter_model.safetensors").unlink()
    assert "no such file" in inspect_weights(str(tmp_path / "peft"))["problems"][0]["what"]


def test_folders_without_weights(tmp_path: Path) -> None:
    report = inspect_weights(str(tmp_path))
    assert (report["kind"], report["complete"]) == ("unknown", False)
    (tmp_path / "notes").write_text("mine")
    assert "notes" in inspect_weights(str(tmp_path))["problems"][0]["why"]
    with pytest.raises(JobError) as caught:
        inspect_weights(str(tmp_path / "none"))
    assert caught.value.field == "directory"
