"""How much a run will write: checkpoints, converted weights, export. Pure.

A checkpoint holds for each of P parameters the weight (2 bytes, bf16), and for the optimizer its fp32 copy
and the two moments of Adam (12 bytes): 14·P. With LoRA the optimizer knows the adapter's A parameters alone:
2·P + 14·A. Weights in fp32 are their own copy: 12·P. Versions kept: keep_last + 1, because a new one is whole
before the oldest goes; else TRAIN_ITERS // SAVE_INTERVAL + 1.
"""

from __future__ import annotations

from backend.catalog.model import Architecture
from backend.catalog.parameters import parameter_count
from backend.engines.folders import save_directory
from backend.preflight.setting import CheckpointNeed
from backend.recipes.derived import train_iterations
from backend.recipes.fields import Recipe
from backend.translation import _

_MOMENTS = 8
_MASTER = 4


def checkpoint_need(recipe: Recipe, architecture: Architecture, shared: str, run_key: str) -> CheckpointNeed:
    parameters = parameter_count(architecture)
    width = 4 if architecture.hf_dtype == "float32" else 2
    master = 0 if width == 4 else _MASTER
    versions = kept_versions(recipe)
    if recipe.run_type == "lora":
        adapter = adapter_parameters(recipe, architecture)
        one = width * parameters + (width + _MOMENTS + master) * adapter
        words = _("{versions} × ({width} × {p} parameters + {more} × {a} of the adapter)")
    else:
        adapter = 0
        one = (width + _MOMENTS + master) * parameters
        words = _("{versions} × {more} bytes × {p} parameters")
    total = versions * one
    formula = words.format(
        versions=versions,
        width=width,
        more=width + _MOMENTS + master,
        p=_count(parameters),
        a=_count(adapter),
    )
    copies = (not recipe.from_scratch) + recipe.convert_to_hf
    if copies:
        total += copies * width * parameters
        formula += _(" + {copies} × {width} × {p} of converted weights").format(
            copies=copies, width=width, p=_count(parameters)
        )
    return CheckpointNeed(save_directory(recipe, shared, run_key), total, formula, one)


def kept_versions(recipe: Recipe) -> int:
    """How many checkpoints lie there at once."""
    iterations = train_iterations(recipe) or 0
    written = 1 if recipe.save_interval >= iterations else iterations // recipe.save_interval + 1
    return min(written, recipe.keep_last + 1) if recipe.keep_last else written


def adapter_parameters(recipe: Recipe, architecture: Architecture) -> int:
    """Two matrices of rank r for each of the four linear layers of every decoder layer, at most."""
    hidden, ffn = architecture.hidden, architecture.ffn
    queries = architecture.heads * architecture.head_dim
    attention = queries + 2 * architecture.kv_heads * architecture.head_dim
    widths = (hidden + attention) + (queries + hidden) + (hidden + 2 * ffn) + (ffn + hidden)
    return recipe.lora_rank * architecture.layers * widths


def _count(number: int) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)
