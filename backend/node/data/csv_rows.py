"""Records of a CSV file: every cell is text as it stands, nothing is taken for a number or for missing."""

from __future__ import annotations

import contextlib
import csv
import io
from gettext import gettext as _
from typing import BinaryIO, Iterator, List, NamedTuple, cast

# A longer cell is a quotation mark that nobody closed, not a text.
MOST_CHARACTERS = 1 << 28


class CsvRecord(NamedTuple):
    """`line`: where it begins, from 1; `cells`, in which bytes that are not UTF-8 stand as surrogates; `why`
    it cannot be used ("" when it can); `whole`: whether its end was found."""

    line: int
    cells: List[str]
    why: str
    whole: bool = True


class _Lines:
    """The lines of the file; `ended` once one more was asked for than there are."""

    def __init__(self, stream: BinaryIO) -> None:
        self._text = io.TextIOWrapper(
            cast("io.BufferedReader", stream), "utf-8-sig", "surrogateescape", newline=""
        )
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline()
        if not line:
            self.ended = True
            raise StopIteration
        return line

    def detach(self) -> None:
        """Leave the stream open: it is closed by whoever opened it."""
        with contextlib.suppress(ValueError):
            self._text.detach()


def read_csv(stream: BinaryIO) -> Iterator[CsvRecord]:
    """The header first, then every record that is not a blank line, right or wrong in its number of cells."""
    csv.field_size_limit(MOST_CHARACTERS)
    lines = _Lines(stream)
    reader = csv.reader(lines)
    width = 0
    before = 0
    try:
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not cells or (width > 1 and len(cells) == 1 and not cells[0].strip(" \t")):
                continue
            why = _("a quotation mark is not closed") if lines.ended else ""
            if width and len(cells) != width and not why:
                why = _("the header names {width} columns, this row has {count}")
                why = why.format(width=width, count=len(cells))
            yield CsvRecord(line, cells, why, not lines.ended)
            width = width or len(cells)
    except csv.Error as error:
        why = _("{error}; nothing after it can be read").format(error=error)
        yield CsvRecord(before + 1, [], why, False)
    finally:
        lines.detach()
