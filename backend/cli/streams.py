"""Standard output and standard error: how wide they are, and the end of one that nobody takes any more."""

from __future__ import annotations

import contextlib
import os
from typing import TextIO

_NARROWEST = 20  # cells


def terminal_width(stream: TextIO | None) -> int | None:
    """Cells of a line where the stream is a terminal ($COLUMNS comes first); None: no terminal."""
    if stream is None or not stream.isatty():
        return None
    said = os.environ.get("COLUMNS", "")
    # not shutil's: it asks stdout, which may be a file
    try:
        columns = int(said) if said.isdecimal() else os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return None
    return max(_NARROWEST, columns) if columns else None


def close_stream(stream: TextIO | None) -> None:
    """Nothing more can be written there; Python must not try again when it ends."""
    if stream is None:
        return
    # one without a number is no stream of the system, and nothing is written to it at the end
    with contextlib.suppress(ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
