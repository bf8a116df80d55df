"""A folder of weights that appears whole or not at all: a lock, room, a temporary name, one rename."""

from __future__ import annotations

import contextlib
import os
import shutil
from gettext import gettext as _
from typing import Any, Dict, Iterator, List, Optional

from backend.node import durable, manifest
from backend.node import storage_faults as faults
from backend.node.data.prefix_lock import hold
from backend.node.job_lines import BusyError, JobError, StorageError
from backend.node.weights.tree_folder import TRACKER

MANIFEST = "npudeck.manifest.json"
FIRST_ITERATION = "iter_0000001"
_SPARE_BYTES = 64 << 20
_OLD = ".old"
_MODEL_MARKS = ("config.json", "adapter_config.json", TRACKER, MANIFEST)
_FIELD = "output_directory"


class OccupiedError(JobError):
    """The output is there already, and may be replaced where `overwrite` allows it."""


def check_target(path: str, overwrite: bool) -> None:
    """Never write into what somebody may still need. Raises JobError.

    A folder that is not there, or empty, is fine; another one only with `overwrite`, when it holds weights
    and no checkpoints of a training."""
    if not os.path.isdir(path):
        if os.path.lexists(path):
            raise JobError(_FIELD, _("{path} is not a folder").format(path=path))
        return
    entries = sorted(os.listdir(path))
    if not entries:
        return
    other = _("choose another output directory, or remove this one")
    if any(entry.startswith("iter_") and entry != FIRST_ITERATION for entry in entries):
        what = _("{path} also holds checkpoints of a training").format(path=path)
        raise JobError(_FIELD, what, _("new weights would replace them"), other)
    if overwrite and not any(mark in entries for mark in (*_MODEL_MARKS, FIRST_ITERATION)):
        what = _("{path} holds no weights, and is not replaced").format(path=path)
        raise JobError(_FIELD, what, _("its first entry is {name}").format(name=entries[0]), other)
    if not overwrite:
        _refuse(path, manifest.read(os.path.join(path, MANIFEST)), other)


def _refuse(path: str, found: Optional[Dict[str, Any]], fix: str) -> None:
    if found is None:
        what = _("{path} is not empty and was not made by this program").format(path=path)
        raise OccupiedError(_FIELD, what, "", fix)
    settings = found.get("made_from", {}).get("settings", {})
    layout = (settings.get("tensor_parallel"), settings.get("pipeline_parallel"))
    if settings.get("like_directory") or None in layout:
        what = _("{path} holds weights of another conversion").format(path=path)
    else:
        what = _("{path} holds weights for TP {tp} x PP {pp}").format(path=path, tp=layout[0], pp=layout[1])
    raise OccupiedError(_FIELD, what, _("they were made from other files or settings"), fix)


def check_room(path: str, needed_bytes: int) -> None:
    """See that `needed_bytes` fit where the folder `path` will be. Raises StorageError."""
    parent = os.path.dirname(os.path.abspath(path))
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    free = shutil.disk_usage(parent).free
    if free < needed_bytes + _SPARE_BYTES:
        what = _("{path} has {free:.2f} GB free, the weights need {needed:.2f} GB").format(
            path=parent, free=free / 1e9, needed=(needed_bytes + _SPARE_BYTES) / 1e9
        )
        raise StorageError(_FIELD, what, "", _("make room, or choose another directory"))


@contextlib.contextmanager
def new_folder(path: str, overwrite: bool) -> Iterator[str]:
    """The name of an empty folder; when the block ends without an error, it takes the place of `path`.

    Raises JobError when another process writes `path` or when something has appeared there, OSError. Until
    the end `path` is what it was."""
    target = os.path.realpath(path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(hold(target))
        except BusyError as error:
            raise BusyError(_FIELD, error.what, error.why, error.fix) from error
        _take_back(target)
        check_target(target, overwrite)
        _remove_leftovers(target)
        temporary = durable.temporary_name(target)
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
    folder, name = os.path.split(target)
    ours = (f"{name}.lock", f"{name}.tmp-", f"{name}{_OLD}.tmp-")
    # Another process at work is no matter here, nor a folder that only others may write to.
    with contextlib.suppress(JobError, OSError):
        if any(entry.startswith(ours) for entry in os.listdir(folder)):
            with hold(target):
                _remove_leftovers(target)


def _remove_leftovers(target: str) -> None:
    """The caller holds the lock."""
    durable.remove_leftovers(target, ours_alone=True)
    durable.remove_leftovers(target + _OLD, ours_alone=True)


def _take_back(target: str) -> None:
    """What was moved aside by a process that was killed before it could put the new folder there."""
    if os.path.lexists(target):
        return
    mark = durable.temporary_name(target + _OLD).rpartition("-")[0] + "-"
    folder, name = os.path.split(mark)
    aside = [entry for entry in os.listdir(folder) if entry.startswith(name)]
    if len(aside) == 1:
        os.rename(os.path.join(folder, aside[0]), target)


def _move(temporary: str, target: str) -> None:
    """Put the folder in place; one that was there before is moved aside first and removed afterwards."""
    old = durable.temporary_name(target + _OLD)
    with contextlib.suppress(FileNotFoundError):
        os.rename(target, old)
    os.rename(temporary, target)
    durable.sync_directory(os.path.dirname(target))
    shutil.rmtree(old, ignore_errors=True)


def files_below(directory: str, ending: str = "") -> List[str]:
    """All files whose name ends so, sorted."""
    found = []
    for folder, _folders, names in os.walk(directory):
        found += [os.path.join(folder, name) for name in names if name.endswith(ending)]
    return sorted(found)


def storage_error(error: OSError, output: str) -> JobError:
    """The error of a disk, in words."""
    return faults.storage_error(error, _FIELD, output)
