"""Owner of stdout: data and nothing else. JSON on request, tables and plain lines otherwise."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from backend.cli.diagnostics import close_stream


class _Reader:
    """Whose reader has gone."""

    gone: TextIO | None = None


def print_json(value: Any, *, compact: bool = False) -> None:
    """One JSON document. `compact` puts it on a single line."""
    indent = None if compact else 2
    print_line(json.dumps(value, ensure_ascii=not _unicode(), indent=indent, allow_nan=False, default=str))


def _unicode() -> bool:
    """Whether stdout takes every character; where it does not, JSON has its own way to write them."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return encoding.lower().replace("_", "-").startswith("utf-")


def print_line(text: str = "") -> None:
    """Where the reader has gone (`| head`) only the writing is given up: the command answers its own status.

    Raises OSError for any other reason that stdout cannot be written."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "stdout is closed")
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _give_up()


def print_bytes(data: bytes) -> None:
    """As they are; otherwise as `print_line`."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "stdout is closed")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _give_up()


def unread() -> bool:
    """Whether the reader of stdout has gone: what writes until it is stopped ends then."""
    return _Reader.gone is not None and _Reader.gone is sys.stdout


def _give_up() -> None:
    close_stream(sys.stdout)
    _Reader.gone = sys.stdout


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as they need to be; never cut, so that `grep` and `awk` see everything."""
    from rich.cells import cell_len

    table = [list(columns), *[list(row) for row in rows]]
    widths = [max(cell_len(row[index]) for row in table) for index in range(len(columns))]
    for row in table:
        cells = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        print_line("  ".join(cells).rstrip())
