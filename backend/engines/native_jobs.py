"""The jobs of the native engine, as the JSON that the node code reads."""

from __future__ import annotations

import dataclasses
from typing import Any

from backend.catalog.model import Architecture
from backend.engines import folders
from backend.engines.stages import Site
from backend.recipes import derived
from backend.recipes.choices import NO_PROMPT_TYPE
from backend.recipes.fields import Recipe

# AlpacaPretrainHandler writes one text a record under this name, whatever its columns are
ALPACA_KEY = "text"
# fp16 needs loss scaling, which the native engine has not: such weights train in bf16
TRAINING_DTYPES = {"bfloat16": "bf16", "float16": "bf16", "float32": "fp32"}
# settings of the training that the recipe calls the same
SAME_NAMES = (
    "micro_batch_size",
    "global_batch_size",
    "seq_length",
    "lr",
    "min_lr",
    "lr_decay_style",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "adam_eps",
    "clip_grad",
    "seed",
    "eval_interval",
    "eval_iterations",
    "log_interval",
    "save_interval",
    "keep_last",
    "sequence_parallel",
    "recompute_activations",
)


def data_job(recipe: Recipe, site: Site) -> dict[str, Any]:
    """Records to `<output_prefix>_<key>_document.bin` and `.idx`, or to three such pairs for masked samples.

    Documents of pretraining data may be of any length; a sample that is too long is left out.
    """
    pretrains = recipe.run_type == "pretrain"
    return {
        "input": recipe.data_path,
        "output_prefix": folders.data_prefix(recipe, site.shared_directory),
        "tokenizer": recipe.tokenizer_path or recipe.hf_weights,
        "tokenizer_type": recipe.tokenizer_type,
        "handler": recipe.data_type,
        "json_keys": [_text_key(recipe)],
        "append_eod": True,
        "seq_length": None if pretrains else recipe.seq_length,
        "prompt_type": "" if recipe.prompt_type == NO_PROMPT_TYPE else recipe.prompt_type,
        "on_bad_row": recipe.on_bad_row,
        "workers": None,
    }


def _text_key(recipe: Recipe) -> str:
    return ALPACA_KEY if recipe.data_type == "AlpacaPretrainHandler" else recipe.json_key


def weights_job(recipe: Recipe, architecture: Architecture, site: Site) -> dict[str, Any]:
    """Hugging Face weights to one Megatron-core shard a rank, in the model's own dtype."""
    return {
        "hf_directory": recipe.hf_weights,
        "output_directory": folders.weights_directory(recipe, site.shared_directory),
        "architecture": dataclasses.asdict(architecture),
        "tensor_parallel": recipe.tensor_parallel,
        "pipeline_parallel": recipe.pipeline_parallel,
        "layers_per_stage": list(derived.layers_per_stage(recipe, architecture.layers)),
        "format": "mcore",
        "dtype": None,
    }


def export_job(recipe: Recipe, site: Site) -> dict[str, Any]:
    """The newest checkpoint back to the folder of a Hugging Face model, in the original's dtype; an adapter
    merged into the weights that it was trained on."""
    shared = site.shared_directory
    saved = folders.save_directory(recipe, shared, site.run_key)
    trained = (
        {"megatron_directory": folders.weights_directory(recipe, shared), "lora_directory": saved}
        if recipe.run_type == "lora"
        else {"megatron_directory": saved}
    )
    return {
        **trained,
        "output_directory": folders.export_directory(recipe, shared, site.run_key),
        "like_directory": recipe.hf_weights,
        "dtype": None,
    }


def train_job(recipe: Recipe, architecture: Architecture, site: Site) -> dict[str, Any]:
    """The training itself; the same on every node."""
    shared = site.shared_directory
    return {
        "architecture": dataclasses.asdict(architecture),
        **_trained_on(recipe, shared),
        "load_directory": "" if recipe.from_scratch else folders.weights_directory(recipe, shared),
        "save_directory": folders.save_directory(recipe, shared, site.run_key),
        "tensor_parallel": recipe.tensor_parallel,
        "pipeline_parallel": recipe.pipeline_parallel,
        "data_parallel": derived.data_parallel(recipe),
        "layers_per_stage": list(derived.layers_per_stage(recipe, architecture.layers)),
        "npus_per_node": recipe.npus_per_node,
        "device": site.nodes[0].device,
        "train_iterations": derived.train_iterations(recipe),
        "warmup_iterations": derived.warmup_iterations(recipe),
        "dtype": TRAINING_DTYPES[architecture.hf_dtype],
        **{name: getattr(recipe, name) for name in SAME_NAMES},
        **_adapter(recipe),
    }


def _trained_on(recipe: Recipe, shared: str) -> dict[str, Any]:
    """Instruction data is named by the prefix of its three token files, text by that of its one."""
    prefix = folders.data_prefix(recipe, shared)
    pretrains = recipe.run_type == "pretrain"
    files = f"{prefix}_{_text_key(recipe)}_document" if pretrains else prefix
    return {
        "data_kind": "pretrain" if pretrains else "instruction",
        "datasets": [{"prefix": files, "weight": 1.0}],
        "split": list(recipe.split),
    }


def _adapter(recipe: Recipe) -> dict[str, Any]:
    if recipe.run_type != "lora":
        return {}
    adapter = {
        "rank": recipe.lora_rank,
        "alpha": recipe.lora_alpha,
        "target_modules": list(recipe.lora_target_modules),
    }
    return {"lora": adapter, "like_directory": recipe.hf_weights}
