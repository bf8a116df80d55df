"""Write a file of this machine whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from backend.problems import InputError, LocalError, Problem, Severity
from backend.translation import _


def write_whole(path: str, text: str, mode: int = 0o644, *, field: str = "", new: bool = False) -> bool:
    """A reader sees the old text or the new one. With `new` a file that is there is left; False says so.

    What is there and no file (`/dev/null`, a pipe) is never replaced: other programs live by it.

    Folders are made. Raises `InputError` for that, `LocalError` when it cannot be written; `field` is where
    the problem points.
    """
    target = Path(path)
    temporary = ""
    if target.exists() and not target.is_file():
        what = _("{path} is not a regular file").format(path=path)
        raise InputError(Problem(field, Severity.ERROR, what, "", _("name another file")))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        if not new:
            Path(temporary).replace(target)
            return True
        # a link and not a question before: two who ask at once would both be told that it is free
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        return True
    except OSError as error:
        what = _("{path} cannot be written: {error}").format(path=path, error=error.strerror)
        raise LocalError(Problem(field, Severity.ERROR, what)) from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
