"""Only one process at a time makes the files of an output prefix."""

from __future__ import annotations

import contextlib
import fcntl
import os
from gettext import gettext as _
from typing import Iterator

from backend.node.job_lines import BusyError


@contextlib.contextmanager
def hold(prefix: str) -> Iterator[None]:
    """Hold `<prefix>.lock` while the block runs. Raises BusyError when another process does, OSError."""
    path = prefix + ".lock"
    descriptor = _take(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(descriptor)


def _take(path: str) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            what = _("another process is writing {prefix}").format(prefix=path[: -len(".lock")])
            why = _("it holds {path}").format(path=path)
            raise BusyError("output_prefix", what, why, _("wait until it has ended")) from error
        except OSError:
            # Some network file systems have no locks: then there is none to hold.
            return descriptor
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        # Its last holder has removed it between our opening and our locking.
        os.close(descriptor)
