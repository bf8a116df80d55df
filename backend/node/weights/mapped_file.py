"""A file seen through memory: views without copies, whose pages go back to the system when they were used."""

from __future__ import annotations

import contextlib
import errno
import math
import mmap
import os
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Sequence, Union

from backend.node.job_lines import StorageError
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
        # Open as long as this object is, for `read_into`.
        self._stream = open(path, "rb", buffering=0)  # noqa: SIM115
        self.size = os.fstat(self._stream.fileno()).st_size
        # An empty file cannot be mapped.
        self._map = mmap.mmap(self._stream.fileno(), 0, access=mmap.ACCESS_READ) if self.size else None

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

    def read_into(self, start: int, out: NDArray[Any]) -> None:
        """Fill the contiguous array `out` from byte `start`, past the mapping. Several threads may.

        Raises StorageError, also when the file has become shorter."""
        import numpy as np

        left = memoryview(out.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        try:
            while left:
                count = os.preadv(self._stream.fileno(), [left], start)
                if not count:
                    raise OSError(errno.EIO, _("it has become shorter meanwhile"))
                left, start = left[count:], start + count
        except OSError as error:
            # Not an OSError: whoever writes at the same time would take it for its own.
            what = _("cannot read {path}").format(path=self.path)
            raise StorageError("", what, error.strerror or str(error)) from error

    def will_need(self, start: int, count: int) -> None:
        """Let the system begin to read `count` bytes from `start`."""
        # Not all systems and file systems take advice.
        with contextlib.suppress(OSError, AttributeError):
            os.posix_fadvise(self._stream.fileno(), start, count, os.POSIX_FADV_WILLNEED)

    def release(self, start: int, count: int) -> None:
        """Give back the pages of `count` bytes from `start`; views stay valid and are read again."""
        if self._map is None or not count:
            return
        first = start - start % _PAGE
        # Without madvise, or on a file system that refuses it, pages go when memory is short.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._map.madvise(mmap.MADV_DONTNEED, first, start + count - first)
