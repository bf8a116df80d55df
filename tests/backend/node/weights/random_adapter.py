"""An adapter of PEFT with random values for a model, made without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from random_llama import random_bf16

from backend.node.weights.arrays import Planned
from backend.node.weights.model_config import read_model
from backend.node.weights.peft_adapter import config_of, modules_of, shape_of, target_names
from backend.node.weights.safetensors_writer import write_safetensors


def write_adapter(folder: Path, model_config: dict[str, Any], rank: int = 4) -> Path:
    """Over every linear layer, in bf16; halves that Megatron joins have their lower one in common."""
    folder.mkdir()
    model = read_model(model_config)
    planned, seeds = [], {}
    for seed, module in enumerate(modules_of(model)):
        out, width = shape_of(model, module)
        planned += [
            Planned(module.down, (rank, width), "bf16"),
            Planned(module.up, (out, rank), "bf16"),
        ]
        seeds[module.down] = sum(map(ord, module.part)) + module.layer
        seeds[module.up] = 1000 + seed
    shapes = {one.key: one.shape for one in planned}
    write_safetensors(
        str(folder / "adapter_model.safetensors"),
        planned,
        lambda name: random_bf16(shapes[name], seeds[name]),
        {},
    )
    targets = target_names(model, {module.part for module in modules_of(model)})
    (folder / "adapter_config.json").write_text(json.dumps(config_of(rank, 2.0 * rank, targets, "base")))
    return folder
