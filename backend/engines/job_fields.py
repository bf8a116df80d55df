"""What a recipe calls the values of the native engine's jobs, where a job has another name for them."""

from __future__ import annotations

_RECIPE_FIELDS = {
    "input": "data_path",
    "data_prefix": "data_path",
    "datasets.0.prefix": "data_path",
    "handler": "data_type",
    "json_keys": "json_key",
    "tokenizer": "tokenizer_path",
    "hf_directory": "hf_weights",
    "like_directory": "hf_weights",
    "save_directory": "checkpoint_directory",
    "lora.rank": "lora_rank",
    "lora.alpha": "lora_alpha",
    "lora.target_modules": "lora_target_modules",
}


def recipe_field(job_field: str) -> str:
    """The recipe's name for what a problem of a job is about; the job's own where the recipe has none."""
    return _RECIPE_FIELDS.get(job_field, job_field)
