"""Errors of the operating system as problems: which path, and what to do."""

from __future__ import annotations

import contextlib
import errno
import os
from gettext import gettext as _
from typing import Iterator

from backend.node.job_lines import StorageError


@contextlib.contextmanager
def storage_faults(field: str, place: str) -> Iterator[None]:
    """Raise StorageError for an OSError of the block; about `field` and `place`, which is being written,
    where the error itself names no file."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise storage_error(error, field, place) from error


def storage_error(error: OSError, field: str = "", place: str = "") -> StorageError:
    """The error in words; `field` and `place` as for `storage_faults`."""
    reason = error.strerror or str(error)
    path = _path(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = place or path
        what = _("no space is left where {path} is written").format(path=where) if where else reason
        return StorageError(field if place else "", what, reason, _("make room, then do it again"))
    if error.errno == errno.ENOENT and not _working_directory_is_there():
        return StorageError("", _("the working directory is gone"), reason, _("change to one that is there"))
    field = "" if path else field
    where = path or place
    what = _("{path} cannot be read or written").format(path=where) if where else reason
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StorageError(field, what, reason, _("see to its permissions, or choose another place"))
    return StorageError(field, what, reason, _("see whether it is there, and can be read and written"))


def _path(error: OSError) -> str:
    names = (error.filename, error.filename2)
    return next((os.fsdecode(name) for name in names if isinstance(name, (str, bytes))), "")


def _working_directory_is_there() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True
