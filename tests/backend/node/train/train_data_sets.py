"""Token files of pretraining and instruction data, for tests of what the trainer reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backend.node.data.writer import IndexedWriter


def write_sequences(prefix: Path, sequences: Sequence[Sequence[int]]) -> None:
    """One sequence a document."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with IndexedWriter(str(prefix)) as writer:
        writer.add(
            np.array([token for sequence in sequences for token in sequence], np.int32),
            np.array([len(sequence) for sequence in sequences], np.int64),
            np.arange(1, len(sequences) + 1),
        )
    writer.publish()


def write_instructions(
    prefix: Path,
    ids: Sequence[Sequence[int]],
    labels: Sequence[Sequence[int]],
    mask: Sequence[Sequence[int]] | None = None,
) -> None:
    """The three pairs of instruction data; the mask is ones unless given."""
    ones = [[1] * len(sequence) for sequence in ids]
    outputs = {"input_ids": ids, "attention_mask": ones if mask is None else mask, "labels": labels}
    for column, sequences in outputs.items():
        write_sequences(prefix.with_name(f"{prefix.name}_packed_{column}_document"), sequences)
