"""A folder of weights that appears whole or not at all: a lock, room, a temporary name, one rename."""

from __future__ import annotations

import contextlib
import os
import shutil
from gettext import gettext as _
from typing import Any, Dict, Iterator, List, Optional

from backend.node import durable
from backend.node import storage_faults as faults
from backend.node.data.prefix_lock import hold
from backend.node.job_lines import BusyError, JobError, StorageError
from backend.node.weights import aside
from backend.node.weights.made_manifest import read_manifest
from backend.node.weights.manifest_difference import difference
from backend.node.weights.replaceable import check_replaceable

_SPARE_BYTES = 64 << 20
_FIELD = "output_directory"
_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


class OccupiedError(JobError):
    """The output is there already, and may be replaced where `overwrite` allows it."""


def check_target(
    path: str, overwrite: bool, sources: Optional[Dict[str, Any]] = None, with_weights: bool = True
) -> None:
    """Never write into what somebody may still need. Raises JobError, OSError.

    A folder that is not there, or empty, is fine; another one only with `overwrite`, when
    `replaceable.check_replaceable` finds nothing dear in it. `sources`: what the new weights are made from,
    to say how that differs."""
    if not os.path.isdir(path):
        if os.path.lexists(path):
            raise JobError(_FIELD, _("{path} is not a folder").format(path=path))
        return
    entries = sorted(os.listdir(path))
    if not entries:
        return
    # Before `overwrite` is spoken of: it may not help.
    check_replaceable(path, with_weights)
    if not overwrite:
        raise _occupied(path, entries[0], sources, with_weights)


def _occupied(path: str, first: str, sources: Optional[Dict[str, Any]], with_weights: bool) -> JobError:
    fix = _("choose another output directory, or remove this one")
    found = read_manifest(path)
    if found is None:
        what = _("{path} is not empty").format(path=path)
        return OccupiedError(_FIELD, what, _("its first entry is {name}").format(name=first), fix)
    settings = found["made_from"]["settings"]
    if not with_weights:
        what = _("{path} holds files that have been changed since they were made").format(path=path)
        return OccupiedError(_FIELD, what, difference(path, found, sources), fix)
    layout = (settings.get("tensor_parallel"), settings.get("pipeline_parallel"))
    if settings.get("like_directory") or None in layout:
        what = _("{path} holds weights of another conversion").format(path=path)
    else:
        what = _("{path} holds weights for TP {tp} x PP {pp}").format(path=path, tp=layout[0], pp=layout[1])
    return OccupiedError(_FIELD, what, difference(path, found, sources), fix)


def check_room(path: str, needed_bytes: int) -> None:
    """See that `needed_bytes` fit where the folder `path` will be. Raises StorageError."""
    parent = os.path.dirname(os.path.abspath(path))
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    free = shutil.disk_usage(parent).free
    if free < needed_bytes + _SPARE_BYTES:
        what = _("{path} has {free} free, the weights need {needed} and {spare} to spare").format(
            path=parent, free=_size(free), needed=_size(needed_bytes), spare=_size(_SPARE_BYTES)
        )
        raise StorageError(_FIELD, what, "", _("make room, or choose another directory"))


def _size(nbytes: int) -> str:
    for unit, name in _UNITS:
        if nbytes >= unit:
            return f"{nbytes / unit:.2f} {name}" if unit == 10**9 else f"{nbytes / unit:.0f} {name}"
    return _("{count} bytes").format(count=nbytes)


@contextlib.contextmanager
def new_folder(path: str, overwrite: bool, with_weights: bool = True) -> Iterator[str]:
    """The name of an empty folder; when the block ends without an error, it takes the place of `path`.

    `with_weights`: as for `check_target`. Raises JobError when another process writes `path` or when
    something has appeared there, OSError. Until the end `path` is what it was."""
    target = os.path.realpath(path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with _held(target):
        _take_back(target)
        check_target(target, overwrite, None, with_weights)
        _remove_leftovers(target)
        temporary = aside.temporary_name(target)
        try:
            os.mkdir(temporary)
            yield temporary
            durable.sync_directory(temporary)
            _move(temporary, target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def tidy(path: str) -> None:
    """Remove what a process left beside the finished folder `path` that was killed in its last moment."""
    target = os.path.realpath(path)
    left = aside.temporary_leftovers(target) + aside.moved_aside(target)
    if left or os.path.lexists(target + aside.LOCK_ENDING):
        # Another process at work is no matter here, nor a folder that only others may write to.
        with contextlib.suppress(JobError, OSError), _held(target):
            _remove_leftovers(target)


def recover(path: str) -> None:
    """Put back what was at `path` when a process was killed that was about to replace it. Raises JobError,
    OSError."""
    target = os.path.realpath(path)
    if not os.path.lexists(target) and aside.moved_aside(target):
        with _held(target):
            _take_back(target)


@contextlib.contextmanager
def _held(target: str) -> Iterator[None]:
    """Hold the folder's lock, whose name is ours alone. Raises BusyError, OSError."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(hold(target + aside.LOCK_ENDING[: -len(".lock")]))
        except BusyError as error:
            what = _("another process is writing {path}").format(path=target)
            raise BusyError(_FIELD, what, error.why, error.fix) from error
        yield


def _remove_leftovers(target: str) -> None:
    """The caller holds the lock. What was moved aside is only removed where there is something newer."""
    left = aside.temporary_leftovers(target)
    if os.path.lexists(target):
        left += aside.moved_aside(target)
    for one in left:
        shutil.rmtree(one, ignore_errors=True)


def _take_back(target: str) -> None:
    """What was moved aside by a process that was killed before it could put the new folder there."""
    if os.path.lexists(target):
        return
    found = aside.moved_aside(target)
    if len(found) > 1:
        what = _("{path} is not there, and several folders that were").format(path=target)
        fix = _("rename the right one back, and remove the others")
        raise JobError(_FIELD, what, ", ".join(found), fix)
    if found:
        os.rename(found[0], target)


def _move(temporary: str, target: str) -> None:
    """Put the folder in place; one that was there before is moved aside first and removed afterwards."""
    old = aside.old_name(target)
    with contextlib.suppress(FileNotFoundError):
        os.rename(target, old)
    os.rename(temporary, target)
    durable.sync_directory(os.path.dirname(target))
    with contextlib.suppress(FileNotFoundError):
        # Half removed it must not come back in the name of the whole.
        os.rename(old, temporary)
    shutil.rmtree(temporary, ignore_errors=True)


def files_below(directory: str, ending: str = "") -> List[str]:
    """All files whose name ends so, sorted."""
    found = []
    for folder, _folders, names in os.walk(directory):
        found += [os.path.join(folder, name) for name in names if name.endswith(ending)]
    return sorted(found)


def storage_error(error: OSError, output: str) -> JobError:
    """The error of a disk, in words."""
    return faults.storage_error(error, _FIELD, output)
