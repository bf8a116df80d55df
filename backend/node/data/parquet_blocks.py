"""Parquet: only the wanted columns, a few rows at a time however large the row groups are."""

from __future__ import annotations

import contextlib
import os
from gettext import gettext as _
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from backend.node.data.bad_bytes import why_not_utf8
from backend.node.data.rows import ROW, BadRow, Rows
from backend.node.job_lines import JobError

_MOST_ROWS = 4096
# Bytes of a column chunk that are held while its pages are read, in place of the whole chunk.
_BUFFER = 1 << 20
# What making a Python object of an Arrow value may raise: text that is not UTF-8, a date out of range.
_UNREADABLE = (ValueError, ArithmeticError, NotImplementedError)


class ParquetBlock(NamedTuple):
    """Rows of a file as an Arrow batch of the wanted columns; `total` of them."""

    path: str
    done: int
    first: int
    total: int
    batch: Any

    def __reduce__(self) -> Tuple[Any, ...]:
        import pyarrow

        # As a stream, because a slice would otherwise take along the whole of what it was cut from.
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, self.batch.schema) as writer:
            writer.write_batch(self.batch)
        return _unpickle, (self.path, self.done, self.first, self.total, sink.getvalue().to_pybytes())

    def rows(self, columns: Sequence[str]) -> Rows:
        """The values as Python objects, None in a column that the file does not have."""
        names = self.batch.schema.names
        bad: List[BadRow] = []
        values: Dict[str, List[Any]] = {}
        for name in columns:
            if name not in names:
                values[name] = [None] * self.total
                continue
            column = self.batch.column(name)
            try:
                values[name] = column.to_pylist()
            except _UNREADABLE:
                values[name] = [self._value(column[i], name, i, bad) for i in range(self.total)]
        places = list(range(self.total))
        if bad:
            wrong = {row.number - self.first - 1 for row in bad}
            places = [place for place in places if place not in wrong]
            values = {name: [column[place] for place in places] for name, column in values.items()}
            bad = sorted({row.number: row for row in reversed(bad)}.values(), key=lambda row: row.number)
        numbers = [self.first + place + 1 for place in places]
        return Rows(self.path, ROW, numbers, places, self.total, values, bad)

    def _value(self, scalar: Any, name: str, place: int, bad: List[BadRow]) -> Any:
        try:
            return scalar.as_py()
        except UnicodeDecodeError as error:
            why = why_not_utf8(bytes(error.object))
        except _UNREADABLE as error:
            why = str(error).partition("\n")[0]
        bad.append(BadRow(self.path, ROW, self.first + place + 1, name, why))
        return None


def _unpickle(path: str, done: int, first: int, total: int, stream: bytes) -> ParquetBlock:
    import pyarrow

    batch = pyarrow.ipc.open_stream(stream).read_next_batch()
    return ParquetBlock(path, done, first, total, batch)


def read_parquet(path: str, columns: Sequence[str], block_bytes: int) -> Iterator[ParquetBlock]:
    """The file in blocks of about `block_bytes`. Raises JobError."""
    size = os.path.getsize(path)
    first = 0
    with opened_parquet(path) as file:
        wanted = [name for name in file.schema_arrow.names if name in set(columns)]
        if len(set(wanted)) < len(wanted):
            what = _("{path} has a wanted column twice").format(path=path)
            raise JobError("input", what, _("its columns: {names}").format(names=", ".join(wanted)))
        total = max(1, file.metadata.num_rows)
        many = rows_per_block(file.metadata, wanted, block_bytes)
        for batch in file.iter_batches(many, columns=wanted, use_threads=False):
            for part in _halved(batch, block_bytes):
                done = size * (first + part.num_rows) // total
                yield ParquetBlock(path, done, first, part.num_rows, part)
                first += part.num_rows


def parquet_names(path: str) -> List[str]:
    """The file's columns. Raises JobError."""
    with opened_parquet(path) as file:
        return list(file.schema_arrow.names)


def parquet_count(path: str) -> int:
    """The file's rows, from its metadata. Raises JobError."""
    with opened_parquet(path) as file:
        return int(file.metadata.num_rows)


@contextlib.contextmanager
def opened_parquet(path: str) -> Iterator[Any]:
    """The file as pyarrow's ParquetFile. Raises JobError, also for what is found while it is read."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        what = _("{path} is a parquet file, which cannot be read here").format(path=path)
        raise JobError("input", what, str(error), _("install pyarrow")) from error
    try:
        with parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        why = str(error).partition("\n")[0]
        fix = _("it is damaged or was not copied whole: copy it again")
        raise JobError("input", _("cannot read {path}").format(path=path), why, fix) from error


def rows_per_block(metadata: Any, columns: Sequence[str], block_bytes: int, most: int = _MOST_ROWS) -> int:
    """How many rows come to about `block_bytes` on the average of the file, up to `most`."""
    wanted = set(columns)
    size = 0
    for group in range(metadata.num_row_groups):
        about = metadata.row_group(group)
        for number in range(about.num_columns):
            column = about.column(number)
            if column.path_in_schema.split(".")[0] in wanted:
                size += column.total_uncompressed_size
    return max(1, min(most, block_bytes * metadata.num_rows // max(1, size)))


def _halved(batch: Any, block_bytes: int) -> Iterator[Any]:
    """The batch, in pieces where its rows are much longer than the average."""
    if batch.num_rows > 1 and batch.nbytes > 2 * block_bytes:
        half = batch.num_rows // 2
        yield from _halved(batch.slice(0, half), block_bytes)
        yield from _halved(batch.slice(half), block_bytes)
    else:
        yield batch
