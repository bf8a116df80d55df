"""Read Megatron's indexed token files: `.bin` holds the ids, `.idx` says where each sequence and document is.

Layout of the index, little-endian: magic, u64 version, u8 dtype code, u64 sequences, u64 document entries,
then i32 lengths, i64 byte offsets and i64 document bounds.
"""

from __future__ import annotations

import os
import struct
from gettext import gettext as _
from typing import TYPE_CHECKING, Any

from backend.node.job_lines import JobError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAGIC = b"MMIDIDX\x00\x00"
VERSION = 1
HEADER = struct.Struct("<9sQBQQ")
INT32_CODE = 4
_DTYPES = {1: "u1", 2: "i1", 3: "<i2", INT32_CODE: "<i4", 5: "<i8", 8: "<u2"}


class IndexedDataset:
    """The pair `<prefix>.bin` and `<prefix>.idx`, mapped, never read whole.

    `lengths`: int32, tokens of each of the N sequences. `offsets`: int64, byte offset of each in the .bin.
    `documents`: int64, first sequence of each document and N at the end (documents + 1 entries).
    `tokens`: all ids in file order, in the file's own dtype. Raises JobError when the pair is not whole.
    """

    lengths: NDArray[np.int32]
    offsets: NDArray[np.int64]
    documents: NDArray[np.int64]
    tokens: NDArray[Any]

    def __init__(self, prefix: str) -> None:
        import numpy as np

        self.prefix = prefix
        code, sequences, bounds = _read_header(prefix)
        dtype = np.dtype(_DTYPES[code])
        at = HEADER.size
        index = np.memmap(prefix + ".idx", dtype=np.uint8, mode="r")
        self.lengths = np.frombuffer(index, "<i4", sequences, at)
        self.offsets = np.frombuffer(index, "<i8", sequences, at + 4 * sequences)
        self.documents = np.frombuffer(index, "<i8", bounds, at + 12 * sequences)
        size = os.path.getsize(prefix + ".bin")
        expected = int(self.lengths.sum(dtype=np.int64)) * dtype.itemsize
        if size != expected:
            raise _broken(
                prefix,
                _("the .bin file has {size} bytes, its index says {expected}").format(
                    size=size, expected=expected
                ),
            )
        self._check_bounds(dtype.itemsize)
        # An empty file cannot be mapped.
        self.tokens = np.memmap(prefix + ".bin", dtype=dtype, mode="r") if size else np.empty(0, dtype)

    def __len__(self) -> int:
        """How many sequences there are."""
        return len(self.lengths)

    def __getitem__(self, index: int) -> NDArray[Any]:
        """The ids of one sequence, a view of the mapped file. Raises IndexError."""
        start = int(self.offsets[index]) // self.tokens.dtype.itemsize
        return self.tokens[start : start + int(self.lengths[index])]

    def document_bounds(self) -> NDArray[np.int64]:
        """Where each document starts in `tokens`, then the number of tokens: int64 [documents + 1]."""
        import numpy as np

        starts = np.append(self.offsets // self.tokens.dtype.itemsize, len(self.tokens))
        bounds: NDArray[np.int64] = starts[self.documents]
        return bounds

    def _check_bounds(self, itemsize: int) -> None:
        import numpy as np

        ends = np.cumsum(self.lengths, dtype=np.int64) * itemsize
        if len(self) and (self.offsets[0] != 0 or not np.array_equal(self.offsets[1:], ends[:-1])):
            raise _broken(self.prefix, _("its sequences do not follow one another"))
        documents = self.documents
        if (
            len(documents) == 0
            or documents[0] != 0
            or documents[-1] != len(self)
            or (np.diff(documents) < 0).any()
        ):
            raise _broken(self.prefix, _("its documents do not cover its sequences"))


def _read_header(prefix: str) -> tuple[int, int, int]:
    """dtype code, number of sequences, number of document entries. Raises JobError."""
    path = prefix + ".idx"
    for name in (path, prefix + ".bin"):
        if not os.path.isfile(name):
            raise JobError(
                "data_prefix",
                _("no such file: {path}").format(path=name),
                _("the training data is a pair of files, .bin and .idx"),
                _("run the data stage first"),
            )
    with open(path, "rb") as stream:
        head = stream.read(HEADER.size)
    if len(head) < HEADER.size or head[:9] != MAGIC:
        raise _broken(prefix, _("it does not start as an index does"))
    version, code, sequences, bounds = HEADER.unpack(head)[1:]
    if version != VERSION or code not in _DTYPES:
        raise _broken(
            prefix, _("version {version}, type code {code} are not known").format(version=version, code=code)
        )
    expected = HEADER.size + 12 * sequences + 8 * bounds
    size = os.path.getsize(path)
    if size < expected:
        raise _broken(
            prefix, _("it has {size} bytes, {expected} were expected").format(size=size, expected=expected)
        )
    return code, sequences, bounds


def _broken(prefix: str, why: str) -> JobError:
    what = _("the index {path} is not whole").format(path=prefix + ".idx")
    return JobError("data_prefix", what, why, _("make the training data anew"))
