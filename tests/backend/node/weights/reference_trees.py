"""The reference converter's cases, and plain readers of what is in their files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parents[4] / ".." / "shared" / "golden" / "checkpoints"


def reference_cases() -> list[Path]:
    """All conversions; an adapter's case too, whose base is converted like any other."""
    if not GOLDEN.is_dir():
        return []
    return [
        folder
        for family in sorted(GOLDEN.iterdir())
        if family.is_dir()
        for folder in sorted(family.iterdir())
    ]


def case_name(case: Path) -> str:
    return f"{case.parent.name}-{case.name}"


def facts_of(case: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((case / "facts.json").read_text())
    return found


def words_of(case: Path) -> dict[str, str]:
    """The flags of the conversion to Megatron with their values."""
    line = next(line for line in (case / "cmd.txt").read_text().splitlines() if line.startswith("hf2mg:"))
    words = line.split()
    return {
        word: "" if following.startswith("--") else following
        for word, following in zip(words, [*words[1:], "--"], strict=True)
        if word.startswith("--")
    }


def job_for_case(case: Path, output: Path) -> dict[str, Any]:
    """The same conversion as a job. Without a dtype the reference took fp16 unasked: the job asks for it."""
    flags = words_of(case)
    stages = flags.get("--num-layer-list")
    virtual = flags.get("--num-layers-per-virtual-pipeline-stage")
    return {
        "hf_directory": str(case / "hf"),
        "output_directory": str(output),
        "tensor_parallel": int(flags["--target-tensor-parallel-size"]),
        "pipeline_parallel": int(flags["--target-pipeline-parallel-size"]),
        "layers_per_stage": [int(word) for word in stages.split(",")] if stages else None,
        "layers_per_virtual_stage": int(virtual) if virtual else None,
        "format": "mcore" if "--use-mcore-models" in flags else "legacy",
        "dtype": flags.get("--params-dtype", "fp16"),
        "make_vocab_size_divisible_by": int(flags.get("--make-vocab-size-divisible-by", 1)),
    }


def flat(tree: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{key}/")
        else:
            yield above + key, value


def content(tensor: Any) -> Any:
    import torch

    if not isinstance(tensor, torch.Tensor):
        return tensor
    return tensor.dtype, tuple(tensor.shape), tensor.contiguous().view(torch.uint8).numpy().tobytes()


def rank_content(path: Path) -> dict[str, Any]:
    """Everything in a rank file but its arguments: name to dtype, shape and bytes, or to the value."""
    from backend.node.weights import safe_load

    found = safe_load.load_tensors(str(path))
    return {key: content(value) for key, value in flat({**found, "args": None})}


def model_content(folder: Path) -> dict[str, Any]:
    """Every tensor of a Hugging Face folder, through the libraries that wrote or will read it."""
    import torch
    from safetensors.torch import load_file

    found: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".safetensors":
            found.update(load_file(path))
        elif path.suffix == ".bin":
            found.update(torch.load(path, map_location="cpu", weights_only=True))
    return {name: content(tensor) for name, tensor in found.items()}
