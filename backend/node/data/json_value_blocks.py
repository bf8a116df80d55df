"""JSON arrays and laid-out objects as blocks of parsed rows."""

from __future__ import annotations

from typing import Iterable, Iterator, Sequence

from backend.node.data.json_records import half_character, why_half_character
from backend.node.data.json_values import Record, read_values
from backend.node.data.packed_stream import open_stream
from backend.node.data.parsed_blocks import ParsedBlock, ParsedRow, gathered
from backend.node.data.rows import RECORD


def read_json_values(path: str, columns: Sequence[str], block_bytes: int) -> Iterator[ParsedBlock]:
    """The file in blocks of about `block_bytes`. Raises JobError."""
    with open_stream(path) as (stream, done):
        rows = _rows(read_values(stream), columns)
        yield from gathered(rows, path, RECORD, columns, done, block_bytes)


def _rows(records: Iterable[Record], columns: Sequence[str]) -> Iterator[ParsedRow]:
    for record in records:
        size = len(record.text)
        if record.value is None:
            yield ParsedRow(record.number, None, "", record.why, size, last=not record.text)
            continue
        half = half_character(record.value, columns) if "\\u" in record.text else ""
        if half:
            yield ParsedRow(record.number, None, half, why_half_character(), size)
        else:
            values = [record.value.get(name) for name in columns]
            yield ParsedRow(record.number, values, "", "", size)
