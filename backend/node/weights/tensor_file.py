"""A file of tensors, read where it is asked for and never mapped.

A mapped file that becomes shorter ends the process with a signal; read, it is an error with a name.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Sequence

from backend.node.job_lines import StorageError
from backend.node.weights.arrays import ITEM_BYTES, STORAGE, Array

if TYPE_CHECKING:
    from numpy.typing import NDArray

# How a file begins that git-lfs has put in place of the real one.
POINTER = b"version https://git-lfs"
# As much as the pickles before the tensors of an old file may take.
_MAX_HEAD = 64 << 20


def can_be_shape(shape: Sequence[int]) -> bool:
    """Whether numpy can hold it: with a length of 0 in it, the others are bound by no file."""
    return len(shape) <= 32 and math.prod(length or 1 for length in shape) < 1 << 60


class TensorFile:
    """`size` in bytes, as it was when this was made. Open as long as this object is. Raises OSError."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._stream = open(path, "rb", buffering=0)  # noqa: SIM115
        self.size = os.fstat(self._stream.fileno()).st_size

    @property
    def is_pointer(self) -> bool:
        """Whether it is not the file, and only says where git-lfs finds it. Raises OSError."""
        return self.read(0, len(POINTER)) == POINTER

    @property
    def buffer(self) -> bytes:
        """A copy of the first bytes, 64 MiB at most. Raises OSError."""
        return self.read(0, _MAX_HEAD)

    def read(self, start: int, count: int) -> bytes:
        """A copy of bytes; fewer than `count` at the end of the file. Raises OSError."""
        found = b""
        # A call reads 2 GB at most, and may read less.
        while len(found) < count and 0 <= start < self.size:
            piece = os.pread(self._stream.fileno(), min(count - len(found), self.size - start), start)
            if not piece:
                break
            found, start = found + piece, start + len(piece)
        return found

    def array(self, start: int, count: int, dtype: str) -> Array:
        """A copy of `count` values of `dtype` (a key of arrays.STORAGE) from the byte `start`: one dimension.

        Raises ValueError when they are not inside the file, StorageError."""
        import numpy as np

        if start < 0 or start + count * ITEM_BYTES[dtype] > self.size:
            raise ValueError(f"bytes {start} to {start + count * ITEM_BYTES[dtype]} are not in {self.path}")
        data = np.empty(count, STORAGE[dtype])
        self.read_into(start, data)
        return Array(data, dtype)

    def read_into(self, start: int, out: NDArray[Any]) -> None:
        """Fill the contiguous array `out` from byte `start`. Several threads may.

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
            fix = _("see that the file is whole, and that nobody changes it meanwhile")
            raise StorageError("", what, error.strerror or str(error), fix) from error

    def will_need(self, start: int, count: int) -> None:
        """Let the system begin to read `count` bytes from `start`."""
        # Not all systems and file systems take advice.
        with contextlib.suppress(OSError, AttributeError):
            os.posix_fadvise(self._stream.fileno(), start, count, os.POSIX_FADV_WILLNEED)
