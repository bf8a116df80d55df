"""Rows of JSON and text files as raw lines, unchanged, good or bad."""

from __future__ import annotations

from gettext import gettext as _
from typing import Callable, Dict, Iterator

from backend.node.data import kinds
from backend.node.data.json_line_blocks import read_json_lines
from backend.node.data.json_values import read_values
from backend.node.data.packed_stream import open_stream
from backend.node.data.rows import RECORD, BadRow
from backend.node.data.text_blocks import read_text, universal_lines
from backend.node.job_lines import JobError

_BLOCK = 1 << 20


def _json_lines(path: str) -> Iterator[bytes]:
    for block in read_json_lines(path, (), _BLOCK):
        yield from (line for line in block.raw.split(b"\n") if line.strip())


def _json_values(path: str) -> Iterator[bytes]:
    with open_stream(path) as (stream, _done):
        for record in read_values(stream):
            if not record.text:
                raise not_copied(BadRow(path, RECORD, record.number, "", record.why))
            # Newlines are between the words of JSON only, never in them.
            text = record.text.replace("\r", " ").replace("\n", " ")
            yield text.encode("utf-8", "surrogateescape")


def _texts(path: str) -> Iterator[bytes]:
    for block in read_text(path, (), _BLOCK):
        yield from universal_lines(block.raw)


def raw_lines(path: str) -> Iterator[bytes]:
    """The rows of a file of JSON or text, every one as a line without its end. Raises JobError."""
    return _READERS[kinds.kind_of(path)](path)


def not_copied(bad: BadRow) -> JobError:
    """A row that cannot be written to another file."""
    what = _("{where} cannot be copied").format(where=bad.where())
    return JobError("input", what, bad.why, _("mend it, or take it out of the file"))


_READERS: Dict[str, Callable[[str], Iterator[bytes]]] = {
    kinds.JSON_LINES: _json_lines,
    kinds.JSON_VALUES: _json_values,
    kinds.TEXT: _texts,
}
