"""CSV files as blocks of parsed rows."""

from __future__ import annotations

from gettext import gettext as _
from typing import Iterable, Iterator, List, Optional, Sequence

from backend.node.data.bad_bytes import why_not_utf8
from backend.node.data.csv_rows import CsvRecord, read_csv
from backend.node.data.json_records import has_surrogate
from backend.node.data.packed_stream import open_stream
from backend.node.data.parsed_blocks import ParsedBlock, ParsedRow, gathered
from backend.node.data.rows import LINE
from backend.node.job_lines import JobError


def read_csv_blocks(path: str, columns: Sequence[str], block_bytes: int) -> Iterator[ParsedBlock]:
    """The file in blocks of about `block_bytes`. Raises JobError."""
    with open_stream(path) as (stream, done):
        records = read_csv(stream)
        header = _header(next(records, None), path)
        yield from gathered(_rows(records, header, columns), path, LINE, columns, done, block_bytes)


def csv_header(path: str) -> List[str]:
    """The names of the columns. Raises JobError."""
    with open_stream(path) as (stream, _done):
        return _header(next(read_csv(stream), None), path)


def csv_count(path: str) -> int:
    """How many rows the file has, by a pass over it. Raises JobError."""
    with open_stream(path) as (stream, _done):
        return max(0, sum(1 for _record in read_csv(stream)) - 1)


def _header(record: Optional[CsvRecord], path: str) -> List[str]:
    if record is None:
        raise JobError("input", _("{path} is blank").format(path=path), _("there are no rows in it"))
    names = record.cells
    twice = next((name for name in names if names.count(name) > 1), None)
    why = record.why or why_not_utf8("".join(names).encode("utf-8", "surrogateescape"))
    if twice is not None and not why:
        why = _("the column {name} is there twice").format(name=twice)
    if why:
        raise JobError("input", _("the header of {path} cannot be used").format(path=path), why)
    return names


def _rows(records: Iterable[CsvRecord], header: Sequence[str], columns: Sequence[str]) -> Iterator[ParsedRow]:
    wanted = [header.index(name) if name in header else None for name in columns]
    for line, cells, why, whole in records:
        size = sum(map(len, cells))
        if why:
            yield ParsedRow(line, None, "", why, size, last=not whole)
            continue
        if has_surrogate("".join(cells)):
            place = next(place for place, cell in enumerate(cells) if has_surrogate(cell))
            why = why_not_utf8(cells[place].encode("utf-8", "surrogateescape"))
            yield ParsedRow(line, None, header[place], why, size)
        else:
            values = [None if place is None else cells[place] for place in wanted]
            yield ParsedRow(line, values, "", "", size)
