"""The folder of a result, made when it is needed, and gone again when nothing came of it."""

from __future__ import annotations

import contextlib
import os
from gettext import gettext as _
from typing import Iterator

from backend.node.job_lines import JobError


def check_folder(folder: str, field: str) -> None:
    """See that nothing is in the way of the folder. Raises JobError about `field`."""
    place = os.path.abspath(folder)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        what = _("{path} is not a folder").format(path=place)
        raise JobError(field, what, "", _("choose another folder"))


@contextlib.contextmanager
def made_folder(folder: str) -> Iterator[None]:
    """Make the folder, with those above it; those that were made go again, if empty, when the block fails.

    Raises OSError."""
    missing = []
    place = os.path.abspath(folder)
    while not os.path.lexists(place):
        missing.append(place)
        place = os.path.dirname(place)
    try:
        os.makedirs(folder or ".", exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            with contextlib.suppress(OSError):
                os.rmdir(path)
        raise
