"""One supervisor a run: a lock that ends with its process, however that ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from backend.store.state_directory_files import run_directory


@contextmanager
def only_supervisor(run_id: str) -> Iterator[bool]:
    """True for the one process that may supervise the run, until it ends however it ends."""
    with (run_directory(run_id) / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
