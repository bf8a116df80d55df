"""JSON lines: the parent cuts raw bytes at newlines, a lane parses them."""

from __future__ import annotations

import contextlib
import re
from gettext import gettext as _
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from backend.node.data.bad_bytes import why_not_utf8
from backend.node.data.json_records import (
    DECODER,
    half_character,
    is_cut_off,
    why_half_character,
    why_not_json,
    why_not_record,
)
from backend.node.data.kinds import UTF8_BOM
from backend.node.data.line_cuts import cut_lines
from backend.node.data.packed_stream import open_stream
from backend.node.data.rows import LINE, BadRow, Rows

_BLANK = b" \t\r"
_SURROGATE = re.compile(rb"\\u[dD]")


class JsonLinesBlock(NamedTuple):
    """Whole lines of a file: `line` lines and `first` records lie before it, `total` records are in it."""

    path: str
    done: int
    first: int
    total: int
    line: int
    raw: bytes

    def rows(self, columns: Sequence[str]) -> Rows:
        """Parse. A line that is no record is a bad row, all others are not touched by it."""
        numbers: List[int] = []
        places: List[int] = []
        bad: List[BadRow] = []
        values: Dict[str, List[Any]] = {name: [] for name in columns}
        fill = [(name, column.append) for name, column in values.items()]
        decode = DECODER.raw_decode
        surrogates = _SURROGATE.search(self.raw) is not None
        lines = self.raw.split(b"\n")
        for number, text in enumerate(_texts(lines), self.line + 1):
            if not text:
                continue
            try:
                record, end = decode(text)
                usable = end == len(text) and isinstance(record, dict)
            except (ValueError, TypeError, RecursionError):
                usable = False
            if usable and not (surrogates and half_character(record, columns)):
                places.append(len(places) + len(bad))
                numbers.append(number)
                for name, add in fill:
                    add(record.get(name))
            else:
                unended = number == self.line + len(lines)
                field, why = _why_bad(lines[number - self.line - 1], unended, columns)
                bad.append(BadRow(self.path, LINE, number, field, why))
        return Rows(self.path, LINE, numbers, places, len(places) + len(bad), values, bad)

    def records(self) -> Iterator[Dict[str, Any]]:
        """The good records, whole."""
        for text in _texts(self.raw.split(b"\n")):
            with contextlib.suppress(ValueError, TypeError, RecursionError):
                record = DECODER.decode(text)
                if isinstance(record, dict):
                    yield record


def _texts(lines: Sequence[bytes]) -> Sequence[Any]:
    """The lines without blanks around them: text, or bytes where a line is not UTF-8."""
    lines = [line.strip(_BLANK) for line in lines]
    try:
        # Not the block at once: one wide character would make every line of it wide.
        return [line.decode("utf-8") for line in lines]
    except UnicodeDecodeError:
        return [line if why_not_utf8(line) else line.decode("utf-8") for line in lines]


def _why_bad(line: bytes, unended: bool, columns: Sequence[str]) -> Tuple[str, str]:
    """The field it is about ("" for the whole record), and what is wrong with the line; `unended`: there is
    no newline after it."""
    why = why_not_utf8(line)
    if why:
        return "", why
    text = line.decode("utf-8").rstrip()
    try:
        record = DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        why = why_not_json(error)
        if unended and is_cut_off(error, len(text)):
            why = _("{why}; the file seems to be cut off").format(why=why)
        return "", why
    why = why_not_record(record)
    return ("", why) if why else (half_character(record, columns), why_half_character())


def read_json_lines(path: str, columns: Sequence[str], block_bytes: int) -> Iterator[JsonLinesBlock]:
    """The file in blocks of about `block_bytes`. Raises JobError."""
    first = line = 0
    with open_stream(path) as (stream, done):
        for raw in cut_lines(stream, block_bytes):
            if line == 0 and raw.startswith(UTF8_BOM):
                raw = raw[len(UTF8_BOM) :]
            lines = raw.split(b"\n")
            total = sum(1 for text in lines if text.strip(_BLANK))
            yield JsonLinesBlock(path, done(), first, total, line, raw)
            first += total
            line += len(lines) - 1
