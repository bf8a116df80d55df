"""Lines that fit a terminal, broken between words; what a person copies stays in one piece. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

_LEAST = 20  # cells in which free text can still be read
_DEEPER = 2
_GAP = "  "
# commands and what stands in backticks are copied: a line break within would be copied too
_PIECE = re.compile(r"`[^`\n]*`\S*|npudeck [^;,`\n]*[^;,`\s][;,]?|\S+")


def hang(head: str, body: str, width: int | None, indent: int) -> list[str]:
    """`head` and behind it `body`; further lines begin at `indent`. A piece wider than a line stands out.

    `width`: cells of the terminal; None: one line, as it is.
    """
    if width is None or cell_len(head) + cell_len(body) <= width:
        return [(head + body).rstrip()]
    lines: list[str] = []
    line, gap = head, ""
    for piece in _PIECE.findall(body):
        alone = not gap and cell_len(line) <= indent
        if cell_len(line + gap + piece) > width and not alone:
            lines.append(line.rstrip())
            line, gap = " " * indent, ""
        line += gap + piece
        gap = " "
    return [*lines, line.rstrip()]


def prose(text: str, width: int | None) -> list[str]:
    """Every line of `text`; what is broken goes on two cells deeper than its line began."""
    found: list[str] = []
    for line in text.split("\n"):
        body = line.lstrip(" ")
        blanks = len(line) - len(body)
        found += hang(" " * blanks, body, width, blanks + _DEEPER)
    return found


def table_lines(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None
) -> Iterator[str]:
    """Columns as wide as they need to be; nothing is cut.

    `width`: cells of a terminal. There the last column is wrapped; cells that find no room stand
    below, deeper. None: one line a row.
    """
    table = [list(columns), *[list(row) for row in rows]]
    widths = [max(cell_len(row[index]) for row in table) for index in range(len(columns))]
    if width is None or sum(widths) + len(_GAP) * (len(widths) - 1) <= width:
        for row in table:
            yield _GAP.join(map(_padded, row, widths)).rstrip()
        return
    places = _places(table, widths, width)
    for row in table:
        yield from _row(row, widths, places, width)


def _places(table: Sequence[Sequence[str]], widths: Sequence[int], width: int) -> list[tuple[int, int]]:
    """The line and the first cell of every column."""
    last = [piece for row in table for piece in _PIECE.findall(row[-1])]
    # the last one gives way down to its longest word
    least = [*widths[:-1], min(widths[-1], max([_LEAST, *map(cell_len, last)]))]
    places: list[tuple[int, int]] = []
    line, at = 0, 0
    for needed, full in zip(least, widths, strict=True):
        if at > 2 * _DEEPER and at + needed > width:
            line, at = line + 1, 2 * _DEEPER
        places.append((line, at))
        at += full + len(_GAP)
    return places


def _row(
    row: Sequence[str], widths: Sequence[int], places: Sequence[tuple[int, int]], width: int
) -> Iterator[str]:
    heads = [""] * (places[-1][0] + 1)
    for cell, wide, (line, at) in zip(row[:-1], widths, places, strict=False):
        heads[line] = (heads[line] or " " * at) + _padded(cell, wide) + _GAP
    line, at = places[-1]
    for head in heads[:line]:
        yield head.rstrip()
    head = heads[line] or " " * at
    if (head + row[-1]).strip() or not line:
        yield from hang(head, row[-1], width, at)


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - cell_len(cell))
