"""Owner of stdout: data and nothing else. JSON on request, tables and plain lines otherwise."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from backend.cli.json_text import json_text
from backend.cli.streams import close_stream, terminal_width


class _Reader:
    """Whose reader has gone."""

    gone: TextIO | None = None


def print_json(value: Any, *, compact: bool = False) -> None:
    """One JSON document. `compact` puts it on a single line."""
    indent = None if compact else 2
    print_line(json_text(value, indent=indent, ascii_only=not _unicode()))


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
    """Never cut: in a terminal within its width, elsewhere a line a row, for `grep` and `awk`."""
    from backend.cli.word_wrap import table_lines

    for line in table_lines(columns, rows, terminal_width(sys.stdout)):
        print_line(line)


def print_prose(text: str) -> None:
    """Sentences, which a terminal gets broken between words; elsewhere as they are."""
    from backend.cli.word_wrap import prose

    for line in prose(text, terminal_width(sys.stdout)):
        print_line(line)
