"""A file seen through memory: views without copies, whose pages go back to the system when they were used."""

from __future__ import annotations

import contextlib
import math
import mmap
import os
from typing import TYPE_CHECKING, Sequence, Union

from backend.node.weights.arrays import ITEM_BYTES, STORAGE, Array

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PAGE = mmap.PAGESIZE


def can_be_shape(shape: Sequence[int]) -> bool:
    """Whether numpy can hold it: with a length of 0 in it, the others are bound by no file."""
    return len(shape) <= 32 and math.prod(length or 1 for length in shape) < 1 << 60


class MappedFile:
    """`size` in bytes. The mapping lives as long as this object or a view of it. Raises OSError."""

    def __init__(self, path: str) -> None:
        self.path = path
        with open(path, "rb") as stream:
            self.size = os.fstat(stream.fileno()).st_size
            # An empty file cannot be mapped.
            self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if self.size else None

    @property
    def buffer(self) -> Union[mmap.mmap, bytes]:
        """All bytes of the file, without a copy."""
        return self._map or b""

    def read(self, start: int, count: int) -> bytes:
        """A copy of bytes; fewer than `count` at the end of the file."""
        return self.buffer[start : start + count]

    def array(self, start: int, count: int, dtype: str) -> Array:
        """`count` values of `dtype` (a key of arrays.STORAGE) from the byte `start`: one dimension, read
        only. Raises ValueError when they are not inside the file."""
        import numpy as np

        if start < 0 or start + count * ITEM_BYTES[dtype] > self.size:
            raise ValueError(f"bytes {start} to {start + count * ITEM_BYTES[dtype]} are not in {self.path}")
        data: NDArray[np.generic]
        if self._map is None or not count:
            data = np.empty(0, STORAGE[dtype])
        else:
            data = np.frombuffer(self._map, STORAGE[dtype], count, start)
        return Array(data, dtype)

    def release(self, start: int, count: int) -> None:
        """Give back the pages of `count` bytes from `start`; views stay valid and are read again."""
        if self._map is None or not count:
            return
        first = start - start % _PAGE
        # Without madvise, or on a file system that refuses it, pages go when memory is short.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._map.madvise(mmap.MADV_DONTNEED, first, start + count - first)
