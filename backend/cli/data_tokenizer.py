"""Which tokenizer a command means: the one on the command line, or the one that made the files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backend.node.data.data_job import DataJob
    from backend.node.data.encoder import TokenizerOptions

# decoding and counting need no fast encoder, nor the time to prove one
ENCODER = "tokenizers"


def tokenizer_of(arguments: argparse.Namespace, encoder: str = ENCODER) -> TokenizerOptions | None:
    """What the flags say, with the changes of the prompt template; None without --tokenizer-name-or-path."""
    from backend.node.data.data_job import DataJob

    if not arguments.tokenizer_name_or_path and not arguments.vocab_file:
        return None
    job = DataJob(
        input="",
        output_prefix="",
        tokenizer=arguments.tokenizer_name_or_path or "",
        tokenizer_type=arguments.tokenizer_type or DataJob._field_defaults["tokenizer_type"],
        prompt_type=getattr(arguments, "prompt_type", ""),
        use_fast=not arguments.tokenizer_not_use_fast,
        vocab_file=arguments.vocab_file,
        merge_file=arguments.merge_file,
        trust_remote_code=arguments.trust_remote_code,
    )
    return job.tokenizer_options(encoder)


def recorded_tokenizer(prefix: str) -> TokenizerOptions | None:
    """The tokenizer by which npudeck made the files of `prefix` (a preprocessing prefix, or one pair's own),
    if its folder is still there."""
    settings = _recorded_settings(prefix)
    if settings is None:
        return None
    job = _job(settings)
    there = Path(job.tokenizer or job.vocab_file).exists()
    return job.tokenizer_options(ENCODER) if there else None


def _job(settings: dict[str, Any]) -> DataJob:
    from backend.node.data.data_job import DataJob

    return DataJob(**{name: settings[name] for name in DataJob._fields if name in settings})


def _recorded_settings(prefix: str) -> dict[str, Any] | None:
    from backend.node import manifest

    stem = prefix[:-4] if prefix.endswith((".bin", ".idx")) else prefix
    folder, name = Path(stem).parent, Path(stem).name
    parts = name.split("_")
    # out_packed_input_ids_document, out_packed_input_ids, …, out
    for count in range(len(parts), 0, -1):
        start = "_".join(parts[:count])
        found = manifest.read(str(folder / (start + ".json"))) if start else None
        if found is not None and _describes(found, name, whole=count == len(parts)):
            settings: dict[str, Any] | None = (found.get("made_from") or {}).get("settings")
            return settings
    return None


def _describes(found: dict[str, Any], name: str, *, whole: bool) -> bool:
    """Whether the manifest is about the pair `name`, not about another whose name begins like it."""
    return whole or any(str(output.get("path")) == name + ".bin" for output in found.get("outputs") or [])
