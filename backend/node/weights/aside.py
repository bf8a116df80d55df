"""Names beside a folder of weights while it is written: half of the new one, and the old one moved aside.

They end in a process id and eight random digits: nobody gives such a name by hand, so what has one is ours.
"""

from __future__ import annotations

import os
import re
import secrets
from gettext import gettext as _
from typing import List

from backend.node.job_lines import JobError

_NEW, _OLD = ".npudeck-tmp-", ".npudeck-old-"
_TAIL = re.compile(r"[0-9]+-[0-9a-f]{8}")
LOCK_ENDING = ".npudeck.lock"


def temporary_name(target: str) -> str:
    """For what is being written, or can go."""
    return _name(target, _NEW)


def old_name(target: str) -> str:
    """For what was there before, until the new folder is in its place."""
    return _name(target, _OLD)


def temporary_leftovers(target: str) -> List[str]:
    """Paths that `temporary_name` may have answered and that are there."""
    return _found(target, _NEW)


def moved_aside(target: str) -> List[str]:
    """Paths that `old_name` may have answered and that are there, sorted."""
    return _found(target, _OLD)


def no_such_folder(path: str, field: str) -> JobError:
    """The error for a folder that is not there; it says so where a killed command has left it aside."""
    what = _("no such folder: {path}").format(path=path)
    if not path:
        return JobError(field, _("no folder is given"))
    aside = [] if os.path.lexists(path) else moved_aside(os.path.realpath(path))
    if not aside:
        why = _("it is a file") if os.path.isfile(path) else ""
        return JobError(field, what, why)
    why = _("a command that was to replace it was stopped and left it at {aside}").format(aside=aside[0])
    fix = _("do that command again, or rename the folder back")
    return JobError(field, what, why, fix)


def _name(target: str, mark: str) -> str:
    return f"{target}{mark}{os.getpid()}-{secrets.token_hex(4)}"


def _found(target: str, mark: str) -> List[str]:
    folder, name = os.path.split(target)
    try:
        entries = sorted(os.listdir(folder or "."))
    except OSError:
        return []
    start = name + mark
    ours = [one for one in entries if one.startswith(start) and _TAIL.fullmatch(one[len(start) :])]
    return [os.path.join(folder, one) for one in ours]
