"""What of a folder of weights may not be read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backend.translation import _

if TYPE_CHECKING:
    from backend.node.job_lines import JobError


def entries(folder: Path) -> list[str]:
    """Sorted. Raises OSError."""
    return sorted(entry.name for entry in folder.iterdir())


def entries_there(folder: Path) -> list[str]:
    """The same; none where they cannot be listed."""
    try:
        return entries(folder)
    except OSError:
        return []


def unreadable(folder: Path, names: Sequence[str], field: str) -> JobError | None:
    """The first folder or file of weights that may not be read."""
    for path in _parts(folder, names):
        needed = os.R_OK | os.X_OK if path.is_dir() else os.R_OK
        if not os.access(path, needed):
            return forbidden(path, PermissionError(), field)
    return None


def _parts(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """Folders before what is in them."""
    yield folder
    for name in names:
        path = folder / name
        if name.startswith(("iter_", "mp_rank_")) and path.is_dir():
            yield path
            # what may not be entered has ended the search
            yield from _parts(path, entries_there(path))
        elif path.is_file():
            yield path


def forbidden(path: Path, error: OSError, field: str) -> JobError:
    """The error of a path that may not be read."""
    from backend.node.job_lines import StorageError

    what = _("{path} cannot be read").format(path=path)
    why = error.strerror or _("Permission denied")
    return StorageError(field, what, why, _("see to its permissions"))
