"""Pairs of token files for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backend.node.data.writer import IndexedWriter


def write_documents(prefix: Path, documents: list[list[list[int]]], step: int = 3) -> None:
    """Documents of sequences of ids, added `step` documents at a time."""
    with IndexedWriter(str(prefix)) as writer:
        for start in range(0, len(documents), step):
            part = documents[start : start + step]
            sequences = [sequence for document in part for sequence in document]
            writer.add(
                np.array([token for sequence in sequences for token in sequence], np.int32),
                np.array([len(sequence) for sequence in sequences], np.int64),
                np.cumsum([len(document) for document in part]),
            )
    writer.publish()
