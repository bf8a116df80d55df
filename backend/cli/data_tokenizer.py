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
    from backend.node.data.part_settings import Part, find_manifest

    settings = Part(prefix, find_manifest(prefix)).settings
    if settings is None:
        return None
    job = _job(settings)
    folder = job.tokenizer or job.vocab_file
    return job.tokenizer_options(ENCODER) if folder and Path(folder).exists() else None


def _job(settings: dict[str, Any]) -> DataJob:
    """Joined files have settings without input and prefix, which differ from part to part."""
    from backend.node.data.data_job import DataJob

    known = {name: settings[name] for name in DataJob._fields if name in settings}
    return DataJob(**{"input": "", "output_prefix": "", **known})
