"""Rows of a training data file, one after the other and never the whole file: text, JSON, parquet, CSV."""

from __future__ import annotations

import codecs
import csv
import io
from gettext import gettext as _
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from backend.node.data import inputs
from backend.node.data.json_values import JsonValues, parse_object
from backend.node.job_lines import JobError

_PARQUET_ROWS = 1000
_FIELD_LIMIT = 1 << 31


class Row(NamedTuple):
    """The wanted columns of one row; `where` says its place to a person, `done` is the bytes read so far.

    A value is None where the row has no such column, and may be of any type: the handler judges it.
    """

    values: Tuple[Any, ...]
    where: str
    done: int


def read_rows(path: str, keys: Sequence[str]) -> Iterator[Row]:
    """The rows of one file, in order. Raises JobError with the place of what cannot be read."""
    kind = inputs.kind_of(path)
    try:
        yield from _READERS[kind](path, keys)
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error


def _read_text(path: str, keys: Sequence[str]) -> Iterator[Row]:
    if list(keys) != ["text"]:
        what = _("{path} is plain text, it has no column {key}").format(path=path, key=keys[0])
        raise JobError("json_keys", what, _("its only column is text"))
    with open(path, "rb") as raw, io.TextIOWrapper(raw, encoding="utf-8", newline=None) as stream:
        for number, line in enumerate(stream, 1):
            yield Row((line[:-1] if line.endswith("\n") else line,), _line(path, number), raw.tell())


def _read_json_lines(path: str, keys: Sequence[str]) -> Iterator[Row]:
    done = 0
    with open(path, "rb") as stream:
        for number, raw in enumerate(stream, 1):
            done += len(raw)
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            if not text.strip():
                continue
            where = _line(path, number)
            record = parse_object(text, where)
            yield Row(tuple(record.get(key) for key in keys), where, done)


def _read_json_values(path: str, keys: Sequence[str]) -> Iterator[Row]:
    with open(path, "rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig") as stream:
        for number, record in enumerate(JsonValues(stream, path), 1):
            where = _("record {number} of {path}").format(number=number, path=path)
            yield Row(tuple(record.get(key) for key in keys), where, raw.tell())


def _read_csv(path: str, keys: Sequence[str]) -> Iterator[Row]:
    csv.field_size_limit(_FIELD_LIMIT)
    with open(path, "rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream)
        try:
            header = next(reader, [])
            places = [header.index(key) for key in _present(keys, header, path)]
            for cells in reader:
                if cells:
                    values = tuple(cells[place] if place < len(cells) else None for place in places)
                    yield Row(values, _line(path, reader.line_num), raw.tell())
        except csv.Error as error:
            raise JobError("input", _("cannot read {path}").format(path=path), str(error)) from error


def _read_parquet(path: str, keys: Sequence[str]) -> Iterator[Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path, memory_map=True) as file:
            present = _present(keys, file.schema_arrow.names, path)
            total = max(1, file.metadata.num_rows)
            with open(path, "rb") as raw:
                size = raw.seek(0, io.SEEK_END)
            number = 0
            for block in file.iter_batches(_PARQUET_ROWS, columns=list(present)):
                columns = [block.column(key).to_pylist() for key in keys]
                for values in zip(*columns):
                    number += 1
                    where = _("row {number} of {path}").format(number=number, path=path)
                    yield Row(values, where, size * number // total)
    except pyarrow.ArrowException as error:
        why = str(error).partition("\n")[0]
        raise JobError("input", _("cannot read {path}").format(path=path), why) from error


_READERS: Dict[str, Callable[[str, Sequence[str]], Iterator[Row]]] = {
    inputs.TEXT: _read_text,
    inputs.JSON_LINES: _read_json_lines,
    inputs.JSON_VALUES: _read_json_values,
    inputs.CSV: _read_csv,
    inputs.PARQUET: _read_parquet,
}


def _line(path: str, number: int) -> str:
    return _("line {number} of {path}").format(number=number, path=path)


def _present(keys: Sequence[str], columns: List[str], path: str) -> Sequence[str]:
    for key in keys:
        if key not in columns:
            what = _("{path} has no column {key}").format(path=path, key=key)
            raise JobError("json_keys", what, _("its columns: {names}").format(names=", ".join(columns[:12])))
    return keys


def _not_utf8(path: str) -> JobError:
    """Says where: the file is read once more, because decoders know the place only within their buffer."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with open(path, "rb") as stream:
        for raw in stream:
            try:
                decoder.decode(raw)
            except UnicodeDecodeError:
                break
            line += 1
    what = _("{where} is not UTF-8").format(where=_line(path, line))
    return JobError("input", what, _("training data is read as UTF-8 text"), _("convert the file to UTF-8"))
