"""The weights stage against trees that the reference converter wrote: every tensor, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.node.weights import convert, safe_load

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

pytestmark = pytest.mark.torch

GOLDEN = Path(__file__).resolve().parents[4] / ".." / "shared" / "golden" / "checkpoints"
FAMILIES = ("llama2", "llama3", "yi", "qwen1.5", "qwen2")

if not GOLDEN.is_dir():
    pytest.skip("the reference trees are not on this machine", allow_module_level=True)


def cases() -> list[Path]:
    found = [folder for family in FAMILIES for folder in sorted((GOLDEN / family).iterdir())]
    # Virtual pipelines keep several models in one file: not a layout that this stage makes.
    return [folder for folder in found if "vpp" not in folder.name and not folder.name.startswith("lora")]


def architecture(family: str, args: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    heads = args["num_attention_heads"]
    return {
        "family": family,
        "layers": args["num_layers"],
        "hidden": args["hidden_size"],
        "heads": heads,
        "kv_heads": args["num_query_groups"] if args["group_query_attention"] else heads,
        "head_dim": args["kv_channels"],
        "ffn": args["ffn_hidden_size"],
        "vocab": args["vocab_size"],
        "rope_theta": config.get("rope_theta", 10000.0),
        "max_position": args["max_position_embeddings"],
        "norm_eps": args["norm_epsilon"],
        "tie_embeddings": not args["untie_embeddings_and_output_weights"],
        "qkv_bias": args["add_qkv_bias"],
        "hf_dtype": config["torch_dtype"],
    }


def job_for(case: Path, output: Path) -> dict[str, Any]:
    facts = json.loads((case / "facts.json").read_text())
    args = facts["megatron_args"]
    config = json.loads((case / "hf" / "config.json").read_text())
    pp = args["pipeline_model_parallel_size"]
    uneven = args["num_layer_list"]
    stages = [int(part) for part in uneven.split(",")] if uneven else [args["num_layers"] // pp] * pp
    return {
        "hf_directory": str(case / "hf"),
        "output_directory": str(output),
        "architecture": architecture(case.parent.name, args, config),
        "tensor_parallel": args["tensor_model_parallel_size"],
        "pipeline_parallel": pp,
        "layers_per_stage": stages,
        "format": facts["format"],
        "dtype": "bf16" if args["bf16"] else "fp16" if args["fp16"] else "fp32",
        "make_vocab_size_divisible_by": args["make_vocab_size_divisible_by"],
    }


def flat(tree: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{key}/")
        else:
            yield above + key, value


def content(tensor: Any) -> Any:
    if tensor is None:
        return None
    return tensor.dtype, tuple(tensor.shape), tensor.contiguous().view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.parent.name}-{case.name}")
def test_tree_equals_the_reference(case: Path, tmp_path: Path) -> None:
    output = tmp_path / "tree"
    convert.run(job_for(case, output))
    tracker = "latest_checkpointed_iteration.txt"
    assert (output / tracker).read_bytes() == (case / "megatron" / tracker).read_bytes()
    expected = sorted(path.relative_to(case / "megatron") for path in (case / "megatron").rglob("*.pt"))
    assert sorted(path.relative_to(output) for path in output.rglob("*.pt")) == expected
    for name in expected:
        ours = safe_load.load_tensors(str(output / name))
        theirs = safe_load.load_tensors(str(case / "megatron" / name))
        assert {key: content(value) for key, value in flat(ours["model"])} == {
            key: content(value) for key, value in flat(theirs["model"])
        }
        assert (ours["iteration"], ours["checkpoint_version"]) == (
            theirs["iteration"],
            theirs["checkpoint_version"],
        )


@pytest.mark.parametrize(
    "case", cases()[:1] + cases()[-1:], ids=lambda case: f"{case.parent.name}-{case.name}"
)
def test_reference_files_open_by_name_too(case: Path) -> None:
    for path in (case / "megatron").rglob("*.pt"):
        by_name = dict(flat(safe_load.load_by_name(str(path))["model"]))
        by_torch = dict(flat(safe_load.load_tensors(str(path))["model"]))
        assert {key: content(value) for key, value in by_name.items()} == {
            key: content(value) for key, value in by_torch.items()
        }
