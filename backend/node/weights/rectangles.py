"""A rectangle of a tensor, read from its file or copied from memory to where it belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

from backend.node.weights.tensor_file import TensorFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows whose rest is longer than this are read one by one: a call costs as much as reading so many bytes.
_REST_BYTES = 8 << 10
_PIECE_BYTES = 1 << 20


def row_width(shape: Sequence[int]) -> int:
    """Values in a row: all but the first dimension."""
    width = 1
    for length in shape[1:]:
        width *= length
    return width


def read_rectangle(
    file: TensorFile, start: int, width: int, row: int, column: int, out: NDArray[Any]
) -> None:
    """Fill `out` [rows, columns] from the table with `width` values a row at byte `start` of the file.

    Raises OSError."""
    import numpy as np

    size = out.itemsize
    line, part = width * size, out.shape[1] * size
    first = start + row * line
    if part == line and out.flags.c_contiguous:
        file.read_into(first, out)
    elif line - part > _REST_BYTES:
        # The system would not see that all of it is wanted soon: the rest by other ranks.
        file.will_need(first, len(out) * line)
        for number, wanted in enumerate(out):
            file.read_into(first + number * line + column * size, wanted)
    else:
        step = max(1, _PIECE_BYTES // max(1, line))
        held = np.empty((min(step, len(out)), width), out.dtype)
        for at in range(0, len(out), step):
            wanted = out[at : at + step]
            file.read_into(first + at * line, held[: len(wanted)])
            wanted[...] = held[: len(wanted), column : column + out.shape[1]]


def copy_rectangle(data: NDArray[Any], row: int, column: int, out: NDArray[Any]) -> None:
    """The same from a tensor in memory."""
    table = data.reshape(len(data), -1)
    out[...] = table[row : row + len(out), column : column + out.shape[1]]
