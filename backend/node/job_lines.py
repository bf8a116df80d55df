"""What a job says while it runs: progress lines on stdout, and an error as one JSON line on stderr."""

from __future__ import annotations

import json
import sys
import time
from gettext import gettext as _
from typing import Any, Dict, Iterable, Optional, TextIO

PROGRESS_INTERVAL_S = 0.5


class JobError(Exception):
    """Bad input or a refusal, in the words of a problem; the entry point prints it and exits with status 1.

    `field` is the key of the job's JSON it is about ("" when none); `why` and `fix` may be empty.
    """

    def __init__(self, field: str, what: str, why: str = "", fix: str = "") -> None:
        self.field = field
        self.what = what
        self.why = why
        self.fix = fix
        super().__init__(what)

    def __reduce__(self) -> Any:
        # It crosses from worker processes.
        return type(self), (self.field, self.what, self.why, self.fix)


class StorageError(JobError):
    """A disk, a directory or a permission is the matter, not what the user asked for."""


class BusyError(JobError):
    """Another process is at the same work."""


def require(job: Dict[str, Any], names: Iterable[str]) -> None:
    """See that the job's JSON has all keys in `names`. Raises JobError."""
    for name in names:
        if name not in job:
            raise JobError(name, _("the job does not say {name}").format(name=name))


class _Pace:
    """When the last progress line went out (monotonic seconds), so that there are at most two a second."""

    last = float("-inf")


def print_progress(done: int, total: Optional[int], unit: str, text: str = "") -> None:
    """Say how far the work is, on stdout, at most twice a second; the last line (done == total) always goes.

    `total` is None while it is not known. `unit` is what is counted ("records"), `text` a rate or a place.
    """
    now = time.monotonic()
    if done != total and now - _Pace.last < PROGRESS_INTERVAL_S:
        return
    _Pace.last = now
    line = {"progress": {"done": done, "total": total, "unit": unit, "text": text}}
    _say(line, sys.stdout)


def print_problem(field: str, what: str, why: str = "", fix: str = "", severity: str = "error") -> None:
    """Say what stopped the job, on stderr, as one JSON line with the keys of a problem.

    `severity` "warning": what went wrong and did not stop it."""
    line = {"field": field, "severity": severity, "what": what, "why": why, "fix": fix}
    _say(line, sys.stderr)


def _say(line: Dict[str, Any], stream: TextIO) -> None:
    """In one write: several ranks share the log, and a line must not be cut into by another."""
    stream.write(json.dumps(line, ensure_ascii=False) + "\n")
    stream.flush()
