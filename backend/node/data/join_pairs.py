"""Several pairs of token files as one: lengths appended, offsets and documents shifted, ids copied."""

from __future__ import annotations

import contextlib
import os
import shutil
from gettext import gettext as _
from typing import IO, TYPE_CHECKING, Any, Iterator, List, NamedTuple, Sequence

from backend.node import durable
from backend.node.data.index_faults import (
    HEADER,
    MAGIC,
    VERSION,
    Index,
    broken,
    find_faults,
    read_index,
)
from backend.node.job_lines import JobError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COPY = 4 << 20
_STEP = 1 << 20


class Joined(NamedTuple):
    """What a joined pair holds; `bytes` of its .bin; `longest`: tokens of its longest sequence."""

    sequences: int
    documents: int
    tokens: int
    bytes: int
    longest: int


@contextlib.contextmanager
def write_joined(paths: Sequence[str], out: str) -> Iterator[Joined]:
    """Write the pairs `paths`, in this order, as one pair under the temporary names of `out`.

    `publish_joined` gives it its names, within the block: what is not published goes when the block ends.
    Every index is held against its .bin first. Raises JobError (field "data_prefix" for a pair that is not
    whole, "prefixes" where the ids' types differ) and OSError."""
    indexes = [_sound(path) for path in paths]
    for path, index in zip(paths, indexes):
        if index.code != indexes[0].code:
            what = _("{path} holds ids of another type than {first}").format(path=path, first=paths[0])
            why = _("{one} and {other}").format(one=index.dtype.name, other=indexes[0].dtype.name)
            raise JobError("prefixes", what, why, _("make the parts with the same program"))
    sizes = [os.path.getsize(path + ".bin") for path in paths]
    try:
        with durable.open_temporary(out + ".bin") as stream:
            for path in paths:
                with open(path + ".bin", "rb") as source:
                    shutil.copyfileobj(source, stream, _COPY)
        with durable.open_temporary(out + ".idx", _STEP) as stream:
            _write_index(stream, indexes, sizes)
        yield Joined(
            sum(len(index.lengths) for index in indexes),
            sum(len(index.documents) - 1 for index in indexes),
            sum(sizes) // indexes[0].dtype.itemsize,
            sum(sizes),
            max(int(index.lengths.max(initial=0)) for index in indexes),
        )
    finally:
        for name in (out + ".bin", out + ".idx"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(durable.temporary_name(name))


def publish_joined(out: str) -> None:
    """Give both files their names; there is no moment with an old index beside a new .bin."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(out + ".idx")
    durable.publish(out + ".bin")
    durable.publish(out + ".idx")


def _sound(path: str) -> Index:
    index = read_index(path)
    for fault in find_faults(index, os.path.getsize(path + ".bin")):
        raise broken(path, fault.what)
    return index._replace(surplus=0)


def _write_index(stream: IO[bytes], indexes: List[Index], sizes: List[int]) -> None:
    sequences = sum(len(index.lengths) for index in indexes)
    bounds = 1 + sum(len(index.documents) - 1 for index in indexes)
    stream.write(HEADER.pack(MAGIC, VERSION, indexes[0].code, sequences, bounds))
    for index in indexes:
        _copy(stream, index.lengths, 0)
    shift = 0
    for index, size in zip(indexes, sizes):
        _copy(stream, index.offsets, shift)
        shift += size
    stream.write(bytes(8))
    shift = 0
    for index in indexes:
        _copy(stream, index.documents[1:], shift)
        shift += len(index.lengths)


def _copy(stream: IO[bytes], values: NDArray[Any], shift: int) -> None:
    """`values` + `shift` in the width that they have, in pieces."""
    for start in range(0, len(values), _STEP):
        stream.write((values[start : start + _STEP] + values.dtype.type(shift)).tobytes())
