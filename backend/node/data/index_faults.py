"""The index of a pair of token files, and what in it contradicts itself or the data.

Layout, little-endian: magic, u64 version, u8 dtype code, u64 sequences, u64 document entries, then i32
lengths, i64 byte offsets and i64 document bounds.
"""

from __future__ import annotations

import os
import struct
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Iterator, NamedTuple, Optional, Tuple

from backend.node.job_lines import JobError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAGIC = b"MMIDIDX\x00\x00"
VERSION = 1
HEADER = struct.Struct("<9sQBQQ")
INT32_CODE = 4
DTYPES = {1: "u1", 2: "i1", 3: "<i2", INT32_CODE: "<i4", 5: "<i8", 8: "<u2"}
INDEX, BIN = "idx", "bin"
_STEP = 1 << 20


class Index(NamedTuple):
    """`code`: of the ids' type; `lengths`: int32 [sequences]; `offsets`: int64 [sequences], bytes;
    `documents`: int64 [documents + 1]; `surplus`: bytes of the file behind all these. Mapped, not read."""

    code: int
    lengths: NDArray[np.int32]
    offsets: NDArray[np.int64]
    documents: NDArray[np.int64]
    surplus: int

    @property
    def dtype(self) -> np.dtype[Any]:
        import numpy as np

        return np.dtype(DTYPES[self.code])


class Fault(NamedTuple):
    """`file`: INDEX or BIN; `document`, `sequence`: the first place it shows at, counted from 0, if any."""

    file: str
    what: str
    document: Optional[int] = None
    sequence: Optional[int] = None


def read_index(prefix: str) -> Index:
    """The index of `<prefix>.bin`. Raises JobError when a file is missing, no index, or not all of one."""
    import numpy as np

    code, sequences, bounds, surplus = _read_header(prefix)
    at = HEADER.size
    raw = np.memmap(prefix + ".idx", dtype=np.uint8, mode="r")
    return Index(
        code,
        np.frombuffer(raw, "<i4", sequences, at),
        np.frombuffer(raw, "<i8", sequences, at + 4 * sequences),
        np.frombuffer(raw, "<i8", bounds, at + 12 * sequences),
        surplus,
    )


def find_faults(index: Index, bin_size: int) -> Iterator[Fault]:
    """What is wrong in an index beside a .bin of `bin_size` bytes, the first of each kind."""
    expected = 0
    for end, fault in _walk(index, bin_size):
        if fault:
            yield fault
            return
        expected = end
    if bin_size != expected:
        what = _("the .bin file has {size:,} bytes, its index says {expected:,}")
        yield Fault(BIN, what.format(size=bin_size, expected=expected))
    # Files for several kinds of media hold one more byte a sequence.
    if index.surplus not in (0, len(index.lengths)):
        yield Fault(INDEX, _("there are {count:,} bytes too many at its end").format(count=index.surplus))
    fault = _document_fault(index)
    if fault:
        yield fault


def _walk(index: Index, bin_size: int) -> Iterator[Tuple[int, Optional[Fault]]]:
    """Bytes that the sequences take so far, and the first fault in their order."""
    import numpy as np

    end = 0
    for start in range(0, len(index.lengths), _STEP):
        sizes = index.lengths[start : start + _STEP].astype(np.int64) * index.dtype.itemsize
        negative = np.flatnonzero(sizes < 0)
        if len(negative):
            number = start + int(negative[0])
            what = _("sequence {number} has a negative length").format(number=number)
            yield end, Fault(INDEX, what, _document_of(index, number), number)
            return
        expected = end + np.cumsum(sizes) - sizes
        wrong = np.flatnonzero(index.offsets[start : start + _STEP] != expected)
        if len(wrong):
            number = start + int(wrong[0])
            what = _(
                "its sequences do not follow one another: sequence {number} is said to start at byte "
                "{offset:,}, it does at {expected:,}"
            )
            text = what.format(
                number=number, offset=int(index.offsets[number]), expected=int(expected[wrong[0]])
            )
            yield end, Fault(INDEX, text, _document_of(index, number), number)
            return
        ends = expected + sizes
        if end <= bin_size < int(ends[-1]):
            number = start + int(np.searchsorted(ends, bin_size, side="right"))
            what = _("the .bin file ends at byte {size:,}, within or before sequence {number}")
            text = what.format(size=bin_size, number=number)
            yield end, Fault(BIN, text, _document_of(index, number), number)
            return
        end = int(ends[-1])
        yield end, None


def _document_fault(index: Index) -> Optional[Fault]:
    import numpy as np

    documents = index.documents
    count = len(index.lengths)
    what = _("its documents do not cover its sequences")
    if len(documents) == 0 or documents[0] != 0:
        return Fault(INDEX, what, 0)
    for start in range(0, len(documents), _STEP):
        falling = np.flatnonzero(np.diff(documents[start : start + _STEP + 1]) < 0)
        if len(falling):
            number = start + int(falling[0])
            return Fault(
                INDEX,
                _("{what}: document {number} ends before it starts").format(what=what, number=number),
                number,
            )
    if documents[-1] != count:
        text = _("{what}: the last ends at {last:,} of {count:,}").format(
            what=what, last=int(documents[-1]), count=count
        )
        return Fault(INDEX, text, len(documents) - 2 if len(documents) > 1 else None)
    return None


def _document_of(index: Index, sequence: int) -> Optional[int]:
    """Which document a sequence is in, where the document bounds allow to say it."""
    import numpy as np

    if _document_fault(index) is not None:
        return None
    return int(np.searchsorted(index.documents, sequence, side="right")) - 1


def _read_header(prefix: str) -> Tuple[int, int, int, int]:
    """Type code, number of sequences, of document entries, and bytes too many. Raises JobError."""
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
        raise broken(prefix, _("it does not start as an index does"))
    version, code, sequences, bounds = HEADER.unpack(head)[1:]
    if version != VERSION or code not in DTYPES:
        why = _("version {version}, type code {code} are not known").format(version=version, code=code)
        raise broken(prefix, why)
    expected = HEADER.size + 12 * sequences + 8 * bounds
    size = os.path.getsize(path)
    if size < expected:
        why = _("it has {size:,} bytes, {expected:,} were expected").format(size=size, expected=expected)
        raise broken(prefix, why)
    return code, sequences, bounds, size - expected


def broken(prefix: str, why: str) -> JobError:
    """The refusal of a pair that is not whole."""
    what = _("the index {path} is not whole").format(path=prefix + ".idx")
    return JobError("data_prefix", what, why, _("make the training data anew"))
