"""Files that appear whole or not at all: a temporary name beside the target, fsync, rename."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import IO, Iterator

_MARK = ".tmp-"
_QUIET_S = 600.0


def temporary_name(path: str) -> str:
    """A name beside `path`, on the same file system, that belongs to this process alone."""
    return f"{path}{_MARK}{os.getpid()}"


def sync_directory(path: str) -> None:
    """Make renames and new names inside the directory `path` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def open_temporary(path: str, buffering: int = -1) -> Iterator[IO[bytes]]:
    """A binary file under the temporary name of `path`: on disk when the block ends, removed when it fails.

    The caller renames it with `publish`. Raises OSError.
    """
    temporary = temporary_name(path)
    try:
        with open(temporary, "wb", buffering=buffering) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def publish(path: str) -> None:
    """Give the finished temporary file of `path` its name."""
    os.replace(temporary_name(path), path)
    sync_directory(os.path.dirname(path) or ".")


def write_whole(path: str, text: str) -> None:
    """Replace the file `path` by `text` (UTF-8) in one step. Raises OSError."""
    with open_temporary(path) as stream:
        # Half characters stand for the bytes of a file name that is not UTF-8; JSON reads them back.
        stream.write(text.encode("utf-8", "backslashreplace"))
    publish(path)


def remove_leftovers(path: str, ours_alone: bool = False) -> None:
    """Remove temporary files and folders of `path` left by processes that were killed.

    One that a living process may still write stays: its process is alive here, or it changed a moment ago
    (the directory may be shared with a node whose processes cannot be seen). `ours_alone`: the caller holds a
    lock, so that nobody else writes them.
    """
    folder, name = os.path.split(path)
    with contextlib.suppress(FileNotFoundError):
        for entry in sorted(os.listdir(folder or ".")):
            tail = entry[len(name) + len(_MARK) :]
            if not entry.startswith(name + _MARK) or not tail.isdecimal():
                continue
            leftover = os.path.join(folder, entry)
            if ours_alone or (not _alive(int(tail)) and time.time() - _last_change(leftover) > _QUIET_S):
                _remove(leftover)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _last_change(path: str) -> float:
    """The newest modification time (epoch seconds) of a file, or of anything in a folder."""
    newest = os.stat(path).st_mtime
    for folder, _folders, files in os.walk(path):
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                newest = max(newest, os.stat(os.path.join(folder, file)).st_mtime)
    return newest


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)
