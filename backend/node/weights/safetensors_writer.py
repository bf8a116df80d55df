"""Writes a safetensors file without its library: one tensor in memory at a time, whole or not at all."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any, Dict, Iterable, Mapping, Sequence

from backend.node import durable
from backend.node.weights.arrays import Planned
from backend.node.weights.piece_stream import cannot_write, pieces, produced
from backend.node.weights.safetensors_file import DTYPES
from backend.node.weights.tensor_source import Produce

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CODE = {dtype: code for code, dtype in DTYPES.items()}
_ALIGNMENT = 8


def write_safetensors(
    path: str, planned: Sequence[Planned], produce: Produce, metadata: Mapping[str, str]
) -> None:
    """Write the tensors, named by their keys, to `path`; `produce` makes them one after another, in order.

    Raises StorageError when it cannot be written, ValueError for a name that is there twice or a tensor that
    is not as planned; then nothing is at `path` that was not there.
    """
    header = _header(planned, metadata)
    try:
        with durable.open_temporary(path) as stream:
            stream.write(header)
            for tensor in planned:
                _write(stream, pieces(produced(tensor, produce).data))
        durable.publish(path)
    except OSError as error:
        raise cannot_write(path, error) from error


def _write(stream: IO[bytes], content: Iterable[NDArray[Any]]) -> None:
    """By itself, so that the last piece does not hold its tensor while the next one is made."""
    for piece in content:
        stream.write(piece.data.cast("B"))


def _header(planned: Sequence[Planned], metadata: Mapping[str, str]) -> bytes:
    entries: Dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for tensor in planned:
        if tensor.key in entries:
            raise ValueError(f"{tensor.key} is there twice")
        begin, end = end, end + tensor.nbytes
        entries[tensor.key] = {
            "dtype": _CODE[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    # Readers map the file: numbers behind the header are aligned.
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
