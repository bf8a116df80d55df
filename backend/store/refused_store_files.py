"""A store that cannot be opened: what to do about it, and nothing of it left behind."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from backend.problems import LocalError
from backend.translation import _

# the log of changes and its index need about so much before anything is written
_LEAST_FREE_BYTES = 1 << 16


def cannot_open(path: Path, error: sqlite3.Error) -> LocalError:
    """The error to raise."""
    fix = _("move the file away if it is damaged; runs on the nodes are not touched")
    if _is_full(path, error):
        fix = _("free space there; runs on the nodes are not touched")
    return LocalError.because(_("cannot open the store {path}").format(path=path), str(error), fix)


def remove_empty(path: Path) -> None:
    """A file that was made just now and never written: the next one to open it would take it for a store."""
    if path.is_file() and path.stat().st_size == 0:
        path.unlink(missing_ok=True)


def _is_full(path: Path, error: sqlite3.Error) -> bool:
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary == sqlite3.SQLITE_IOERR:
        # so SQLite says it of the files beside its own
        return shutil.disk_usage(path.parent).free < _LEAST_FREE_BYTES
    return primary == sqlite3.SQLITE_FULL
