"""Tensors as a stream of contiguous pieces: what the writers and casts work on, so that no copy is large."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Iterator

from backend.node.job_lines import JobError, StorageError
from backend.node.weights.arrays import STORAGE, Array, Planned
from backend.node.weights.tensor_source import Produce

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIECE_BYTES = 8 << 20


def produced(planned: Planned, produce: Produce) -> Array:
    """The tensor of a plan, made now. Raises ValueError when it is not as planned: a fault of the program."""
    made = produce(planned.key)
    found = (tuple(made.data.shape), made.dtype, made.data.dtype.str)
    # numpy writes "|u1" or "<u1" depending on how the type was made.
    code = STORAGE[planned.dtype]
    if found[:2] != (planned.shape, planned.dtype) or found[2][1:] != code[1:] or found[2][0] == ">":
        raise ValueError(f"{planned.key}: planned {planned.shape} {planned.dtype}, made {found}")
    return made


def pieces(data: NDArray[Any], most: int = PIECE_BYTES) -> Iterator[NDArray[Any]]:
    """The values in C order as contiguous one-dimensional arrays of at most about `most` bytes.

    Views where the values lie together, else copies of one piece at a time.
    """
    import numpy as np

    if data.flags.c_contiguous or data.ndim == 0:
        flat = data.reshape(-1)
        step = max(1, most // max(1, data.itemsize))
        for start in range(0, flat.size, step):
            yield flat[start : start + step]
        return
    row = data.nbytes // max(1, data.shape[0])
    if row > most:
        for inner in data:
            yield from pieces(inner, most)
        return
    step = max(1, most // max(1, row))
    for start in range(0, data.shape[0], step):
        yield np.ascontiguousarray(data[start : start + step]).reshape(-1)


def cannot_write(path: str, error: OSError) -> JobError:
    """What a failed write says; nothing under the final name was touched."""
    reason = error.strerror or str(error)
    what = _("cannot write {path}").format(path=path)
    return StorageError("output_directory", what, reason, _("make room, or choose another directory"))
