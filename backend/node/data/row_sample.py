"""A sample of rows from all over a data set, and how many rows it has."""

from __future__ import annotations

import os
from typing import List, NamedTuple, Sequence, Tuple

from backend.node.data.blocks import count_rows, read_blocks
from backend.node.data.kinds import PARQUET, kind_of
from backend.node.data.rows import Block, Rows

BLOCK_BYTES = 256 * 1024
BLOCKS = 16
# Up to here all of the data is read once, so that the sample is spread evenly and every row is counted.
WHOLE_BYTES = 256 << 20


class RowSample(NamedTuple):
    """`parts`: blocks of rows in reading order, the first block of the first file among them; `rows`: how
    many rows those have, readable or not; `records`: rows of the whole data set, exact if `exact`; `spread`:
    whether the sample is from all over the data, not from the starts of files."""

    parts: List[Rows]
    rows: int
    records: int
    exact: bool
    spread: bool

    @property
    def whole(self) -> bool:
        """Whether nothing was left out."""
        return self.exact and self.rows == self.records


def sample_rows(
    files: Sequence[str],
    columns: Sequence[str],
    whole_bytes: int = WHOLE_BYTES,
    block_bytes: int = BLOCK_BYTES,
) -> RowSample:
    """At most about `BLOCKS` blocks of `block_bytes`. Raises JobError (a file is not readable), OSError."""
    if sum(os.path.getsize(path) for path in files) <= whole_bytes:
        return _spread(files, columns, block_bytes)
    return _starts(files, columns, block_bytes)


def _spread(files: Sequence[str], columns: Sequence[str], block_bytes: int) -> RowSample:
    """Every n-th block of one pass; n doubles whenever there are too many."""
    kept: List[Block] = []
    stride, number, records = 1, 0, 0
    for path in files:
        last = None
        for last in read_blocks([path], columns, block_bytes):
            if number % stride == 0:
                kept.append(last)
                if len(kept) > BLOCKS:
                    kept, stride = kept[::2], 2 * stride
            number += 1
        records += last.first + last.total if last else 0
    parts = [block.rows(columns) for block in kept]
    return RowSample(parts, sum(rows.total for rows in parts), records, True, True)


def _starts(files: Sequence[str], columns: Sequence[str], block_bytes: int) -> RowSample:
    """The first blocks of some files; the number of rows follows from the bytes that these took."""
    chosen = list(files[:: -(-len(files) // BLOCKS)])
    parts: List[Rows] = []
    read = 0
    for path in chosen:
        some, size = _start_of(path, columns, block_bytes, BLOCKS // len(chosen))
        parts += some
        read += size
    rows = sum(part.total for part in parts)
    if all(kind_of(path) == PARQUET for path in files):
        return RowSample(parts, rows, sum(map(count_rows, files)), True, False)
    total = sum(os.path.getsize(path) for path in files)
    return RowSample(parts, rows, round(rows * total / max(1, read)), False, False)


def _start_of(path: str, columns: Sequence[str], block_bytes: int, wanted: int) -> Tuple[List[Rows], int]:
    """Some first blocks of a file, and how many of its bytes they took."""
    parts: List[Rows] = []
    done = 0
    for block in read_blocks([path], columns, block_bytes):
        parts.append(block.rows(columns))
        done = block.done
        if len(parts) >= wanted:
            break
    return parts, done
