"""Training data files in blocks, cut here and parsed where the block goes; and what a file holds."""

from __future__ import annotations

import itertools
import os
from typing import Any, Callable, Dict, Iterator, List, Optional, Protocol, Sequence

from backend.node.data import kinds
from backend.node.data.csv_blocks import csv_count, csv_header, read_csv_blocks
from backend.node.data.json_line_blocks import read_json_lines
from backend.node.data.json_value_blocks import read_json_values
from backend.node.data.json_values import read_values
from backend.node.data.packed_stream import open_stream
from backend.node.data.parquet_blocks import parquet_count, parquet_names, read_parquet
from backend.node.data.rows import Block, Rows
from backend.node.data.text_blocks import COLUMN, read_text

BLOCK_BYTES = 1 << 20
_SMALL_BLOCK = 1 << 16
_RECORDS_FOR_NAMES = 100


class FileBlock(Block, Protocol):
    """A block of a file, whose place in the whole input can be told afterwards."""

    def _replace(self, *, done: int) -> FileBlock: ...


_READERS: Dict[str, Callable[[str, Sequence[str], int], Iterator[FileBlock]]] = {
    kinds.TEXT: read_text,
    kinds.JSON_LINES: read_json_lines,
    kinds.JSON_VALUES: read_json_values,
    kinds.CSV: read_csv_blocks,
    kinds.PARQUET: read_parquet,
}


def read_blocks(
    files: Sequence[str], columns: Sequence[str], block_bytes: int = BLOCK_BYTES
) -> Iterator[FileBlock]:
    """The files one after the other, in blocks of about `block_bytes`; a block can give any of `columns`.

    A column that a file does not have is None in all its rows. Rows and bad rows are the same however large
    the blocks are. Raises JobError for what cannot be read at all."""
    before = 0
    for path in files:
        for block in _READERS[kinds.kind_of(path)](path, columns, block_bytes):
            yield block._replace(done=before + block.done) if before else block
        before += os.path.getsize(path)


def count_rows(path: str) -> int:
    """How many rows the file has, readable or not. Raises JobError."""
    kind = kinds.kind_of(path)
    if kind == kinds.PARQUET:
        return parquet_count(path)
    if kind == kinds.CSV:
        return csv_count(path)
    return sum(block.total for block in _READERS[kind](path, (), BLOCK_BYTES))


def column_names(path: str) -> List[str]:
    """The file's columns; of JSON those of the first records, in the order of their appearance.
    Raises JobError."""
    kind = kinds.kind_of(path)
    if kind == kinds.TEXT:
        return [COLUMN]
    if kind == kinds.CSV:
        return csv_header(path)
    if kind == kinds.PARQUET:
        return parquet_names(path)
    records = _line_records(path) if kind == kinds.JSON_LINES else _value_records(path)
    names: Dict[str, None] = {}
    for record in itertools.islice(records, _RECORDS_FOR_NAMES):
        names.update(dict.fromkeys(record))
    return list(names)


def first_rows(path: str, columns: Optional[Sequence[str]], count: int) -> Rows:
    """The first `count` rows of the file, the unreadable among them in `bad`; `columns` None: all it has.
    Raises JobError."""
    names = column_names(path) if columns is None else list(columns)
    found = Rows(path, "", [], [], 0, {name: [] for name in names}, [])
    for block in read_blocks([path], names, _SMALL_BLOCK):
        found = _joined(found, block.rows(names), count)
        if found.total >= count:
            break
    return found


def _joined(before: Rows, rows: Rows, count: int) -> Rows:
    """The rows of both, up to `count` of them."""
    room = count - before.total
    keep = sum(1 for place in rows.places if place < room)
    total = min(rows.total, room)
    columns = {name: before.columns[name] + rows.columns[name][:keep] for name in before.columns}
    return Rows(
        rows.path,
        rows.unit,
        before.numbers + rows.numbers[:keep],
        before.places + [before.total + place for place in rows.places[:keep]],
        before.total + total,
        columns,
        before.bad + rows.bad[: total - keep],
    )


def _line_records(path: str) -> Iterator[Dict[str, Any]]:
    for block in read_json_lines(path, (), _SMALL_BLOCK):
        yield from block.records()


def _value_records(path: str) -> Iterator[Dict[str, Any]]:
    with open_stream(path) as (stream, _done):
        yield from (record.value for record in read_values(stream) if record.value is not None)
