"""Add lines to a known_hosts file: nothing that stands there is changed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.fleet.whole_files import write_whole
from backend.problems import InputError, LocalError
from backend.translation import _


def add_known_hosts(path: str, lines: Iterable[str]) -> int:
    """Add those that are not there yet; answers how many. Folder and file are made, for their owner alone.

    Whoever reads at the same time sees the file before or after. Raises `InputError` for what is no file (a
    pipe would be waited for), `LocalError` when it cannot be written.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        what = _("{path} is not a regular file").format(path=path)
        fix = _(
            "name a file: --known-hosts, known_hosts in the inventory, UserKnownHostsFile of the SSH config"
        )
        raise InputError.because(
            what, _("a host key that is kept nowhere cannot be verified"), fix, field="known_hosts"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone_in(target.parent):
            # a comment may be in any encoding
            before = target.read_bytes().decode("utf-8", "surrogateescape") if target.exists() else ""
            mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
            there = set(before.splitlines())
            fresh = [line for line in dict.fromkeys(lines) if line not in there]
            if fresh:
                joint = "" if not before or before.endswith("\n") else "\n"
                text = before + joint + "".join(f"{line}\n" for line in fresh)
                data = text.encode("utf-8", "surrogateescape")
                write_whole(str(target), data, mode, field="known_hosts")
    except OSError as error:
        what = _("{path} cannot be written: {error}").format(path=path, error=error.strerror)
        raise LocalError.because(what, field="known_hosts") from error
    return len(fresh)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One writer at a time. The folder is what is locked: a file that gets replaced cannot be."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
