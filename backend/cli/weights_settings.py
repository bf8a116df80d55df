"""A weights job from the command line, under the names that the node code reads."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

# what the user types for each key of a job
FLAGS = {
    "tensor_parallel": "--tp",
    "pipeline_parallel": "--pp",
    "layers_per_stage": "--layers-per-stage",
    "layers_per_virtual_stage": "--layers-per-virtual-stage",
    "format": "--format",
    "dtype": "--dtype",
    "make_vocab_size_divisible_by": "--make-vocab-size-divisible-by",
    "padded_vocab_size": "--padded-vocab-size",
    "max_shard_bytes": "--max-shard-size",
    "like_directory": "--like",
    "lora_directory": "--lora",
    "lora_r": "--lora-r",
    "lora_alpha": "--lora-alpha",
    "lora_target_modules": "--lora-target-modules",
    "overwrite": "--overwrite",
    "memory_bytes": "--memory",
}

# the names of the flags' values in the parsed arguments, where they are not the job's own
_SPELLED = {
    "tensor_parallel": "tp",
    "pipeline_parallel": "pp",
    "max_shard_bytes": "max_shard_size",
    "like_directory": "like",
    "lora_directory": "lora",
    "memory_bytes": "memory",
}


def job_of(arguments: argparse.Namespace, directories: Mapping[str, str]) -> dict[str, Any]:
    """`directories` and every value that was given; what was not is left to the node code."""
    job: dict[str, Any] = dict(directories)
    for key in FLAGS:
        value = getattr(arguments, _SPELLED.get(key, key), None)
        if value is not None:
            job[key] = value
    job["dry_run"] = getattr(arguments, "dry_run", False)
    return job


def names_of(**positionals: str) -> dict[str, str]:
    """What the user typed for each key: flags, and the names of this command's arguments."""
    return {**FLAGS, **positionals}
