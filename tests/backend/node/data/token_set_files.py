"""Sets of token files for tests: instruction data with its three outputs, and an encoder of letters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from token_files import write_documents

from backend.node.data.character_encoder import CharacterEncoder

GOLDEN = Path(__file__).resolve().parents[4] / ".." / "shared" / "golden" / "preprocess"
GOLDEN_SETS = sorted(path.parent for path in GOLDEN.glob("*/*/cmd.txt"))


def write_instruction(
    prefix: Path,
    ids: Sequence[Sequence[int]],
    labels: Sequence[Sequence[int]],
    mask: Sequence[Sequence[int]] | None = None,
) -> None:
    """One sequence a document; the mask is ones unless given."""
    outputs = {
        "input_ids": ids,
        "attention_mask": mask if mask is not None else [[1] * len(sequence) for sequence in ids],
        "labels": labels,
    }
    for key, sequences in outputs.items():
        path = prefix.with_name(f"{prefix.name}_packed_{key}_document")
        write_documents(path, [[list(sequence)] for sequence in sequences])


def put(path: Path, place: int, content: bytes) -> None:
    """Overwrite bytes of a file."""
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(content)


def letters(text: str) -> list[int]:
    """The ids of `CharacterEncoder`."""
    return CharacterEncoder().plain([text]).flat.tolist()
