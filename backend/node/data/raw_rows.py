"""Rows of files one after the other as they stand there, to be written to other files unchanged."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
from gettext import gettext as _
from typing import IO, Any, BinaryIO, Iterator, List, Protocol, Sequence, cast

from backend.node.data import kinds
from backend.node.data.csv_blocks import csv_header
from backend.node.data.csv_rows import read_csv
from backend.node.data.packed_stream import open_stream
from backend.node.data.parquet_blocks import opened_parquet, rows_per_block
from backend.node.data.raw_lines import not_copied, raw_lines
from backend.node.data.rows import LINE, BadRow
from backend.node.job_lines import JobError

_ROW_GROUP = 16 << 20
_ROW_GROUP_ROWS = 1 << 16
# Arrays are cut into lines, and may lie beside files of lines.
_TOGETHER = {kinds.JSON_VALUES: kinds.JSON_LINES}


class RawRows(Protocol):
    """The rows that are still to come. `suffix`: of the files they are written to."""

    suffix: str

    def write(self, stream: IO[bytes], count: int) -> None:
        """Write the next `count` rows as a whole file. Raises JobError, OSError."""
        ...


@contextlib.contextmanager
def open_raw_rows(files: Sequence[str]) -> Iterator[RawRows]:
    """All rows of `files`, which must be of one kind. Raises JobError."""
    by_kind = {_TOGETHER.get(kind, kind): path for path in reversed(files) for kind in [kinds.kind_of(path)]}
    if len(by_kind) > 1:
        what = _("the files are not of one kind")
        why = "; ".join(_("{path}: {kind}").format(path=path, kind=kind) for kind, path in by_kind.items())
        raise JobError("input", what, why, _("cut them kind by kind"))
    kind = next(iter(by_kind))
    if kind == kinds.PARQUET:
        yield _Parquet(files)
    elif kind == kinds.CSV:
        yield _Csv(files)
    else:
        yield _Lines(files, kind)


class _Lines:
    """Rows that are lines."""

    def __init__(self, files: Sequence[str], kind: str) -> None:
        self.suffix = "txt" if kind == kinds.TEXT else "jsonl"
        self._lines = (line for path in files for line in raw_lines(path))

    def write(self, stream: IO[bytes], count: int) -> None:
        for line in itertools.islice(self._lines, count):
            stream.write(line + b"\n")


class _Csv:
    """Records, every file with the header."""

    suffix = "csv"

    def __init__(self, files: Sequence[str]) -> None:
        self._header = csv_header(files[0])
        for path in files:
            _same(self._header, csv_header(path), files[0], path)
        self._rows = (row for path in files for row in _cells(path))

    def write(self, stream: IO[bytes], count: int) -> None:
        text = io.TextIOWrapper(cast("BinaryIO", stream), "utf-8", "surrogateescape", newline="")
        # This line end, because older csv modules put quotes around no other newline.
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(self._header)
        writer.writerows(itertools.islice(self._rows, count))
        text.detach()


def _cells(path: str) -> Iterator[List[str]]:
    with open_stream(path) as (stream, _done):
        for record in itertools.islice(read_csv(stream), 1, None):
            if not record.whole:
                raise not_copied(BadRow(path, LINE, record.line, "", record.why))
            yield record.cells


class _Parquet:
    """Rows of Arrow batches, with all their columns."""

    suffix = "parquet"

    def __init__(self, files: Sequence[str]) -> None:
        self._schema = _schema(files[0])
        for path in files:
            _same(self._schema, _schema(path), files[0], path)
        self._batches = (batch for path in files for batch in _batches(path))
        self._rest: Any = None

    def write(self, stream: IO[bytes], count: int) -> None:
        from pyarrow import parquet

        with parquet.ParquetWriter(stream, self._schema) as writer:
            while count:
                batch = self._rest if self._rest is not None else next(self._batches)
                part = batch.slice(0, count)
                writer.write_batch(part)
                count -= part.num_rows
                self._rest = batch.slice(part.num_rows) if part.num_rows < batch.num_rows else None


def _schema(path: str) -> Any:
    with opened_parquet(path) as file:
        return file.schema_arrow


def _batches(path: str) -> Iterator[Any]:
    with opened_parquet(path) as file:
        names = file.schema_arrow.names
        many = rows_per_block(file.metadata, names, _ROW_GROUP, _ROW_GROUP_ROWS)
        yield from file.iter_batches(many, use_threads=False)


def _same(one: Any, other: Any, path: str, other_path: str) -> None:
    if one != other:
        what = _("{path} and {other} have other columns").format(path=path, other=other_path)
        raise JobError("input", what, "", _("cut them one by one"))
