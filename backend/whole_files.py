"""A file of this machine appears whole or not at all: a temporary name beside it, fsync, rename."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from backend.node.durable import sync_directory

USUAL_MODE = 0o644  # as readable as any file that one makes by hand


class NotRegularError(OSError):
    """What is there is no file (`/dev/null`, a pipe); other programs live by it, and it stays."""


def put_whole(
    path: str | os.PathLike[str], text: str | bytes, *, mode: int | None = None, new: bool = False
) -> bool:
    """A reader sees the old text or the new one, as UTF-8. With `new` a file that is there is left: False.

    A link stays a link: what it points to is replaced. `mode` None: as the file has it already, else
    `USUAL_MODE`. Raises `NotRegularError` and OSError, ValueError for a name or a text that cannot be one.
    """
    final = Path(os.path.realpath(path))
    if final.exists() and not (final.is_file() or final.is_dir()):
        raise NotRegularError(f"{os.fspath(path)} is not a regular file")
    handle, temporary = tempfile.mkstemp(prefix=f".{final.name}.", suffix=".tmp", dir=final.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
            file.flush()
            os.fchmod(file.fileno(), _mode(final) if mode is None else mode)
            os.fsync(file.fileno())
        if new:
            # a link and not a question before: two who ask at once would both be told that it is free
            os.link(temporary, final)
        else:
            Path(temporary).replace(final)
            temporary = ""
        sync_directory(str(final.parent))
    except FileExistsError:
        return False
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
    return True


def _mode(final: Path) -> int:
    try:
        return stat.S_IMODE(final.stat().st_mode)
    except FileNotFoundError:
        return USUAL_MODE
