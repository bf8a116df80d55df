"""Where the reference conversions lie on a developer's machine, and what their facts say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parents[4] / ".." / "shared" / "golden" / "checkpoints"
DTYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}


def all_cases() -> list[Path]:
    """Every case, those with LoRA too; none where the folder is not there."""
    return sorted(facts.parent for facts in GOLDEN.glob("*/*/facts.json"))


def name_of(case: Path) -> str:
    return f"{case.parent.name}/{case.name}"


def facts_of(case: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((case / "facts.json").read_text())
    return found


def config_of(case: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((case / "hf" / "config.json").read_text())
    return found


def layout_of(facts: dict[str, Any]) -> dict[str, Any]:
    """The args that say the layout; LoRA cases say less."""
    if "megatron_args" in facts:
        args: dict[str, Any] = facts["megatron_args"]
        return args
    tp, pp = facts["layout"]
    layers = facts["hf_spec"]["layers"]
    return {"num_layers": layers, "tensor_model_parallel_size": tp, "pipeline_model_parallel_size": pp}


def tensors_of(file: dict[str, Any]) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name to shape and dtype of the tensors of a rank's file or of a Hugging Face file."""
    entries = file.get("tensors", file)
    return {
        name: (tuple(entry["shape"]), DTYPES[entry["dtype"]])
        for name, entry in entries.items()
        if "shape" in entry
    }
