"""Which files a data job reads, in which order."""

from __future__ import annotations

import glob
import os
from gettext import gettext as _
from typing import Dict, List, Sequence, Union

from backend.node.data.kinds import (
    INDEX_MAGIC,
    PACKED_SUFFIXES,
    SUFFIXES,
    kind_of,
    known_suffixes,
    suffix_of,
)
from backend.node.job_lines import JobError

__all__ = ["find_inputs", "is_preprocessed", "kind_of"]


def find_inputs(wanted: Union[str, Sequence[str]]) -> List[str]:
    """The files of the job, in reading order. `wanted`: a file, a folder, a glob, or several of these, read
    in the order given. Raises JobError.

    A folder stands for its files (one level) of the most frequent known suffix, in the order of their names:
    the reference reads them in whatever order the file system lists them, which cannot be repeated."""
    files: List[str] = []
    for path in [wanted] if isinstance(wanted, str) else wanted:
        files += _files_of(path)
    if not files:
        raise JobError("input", _("no training data is named"))
    if len(set(files)) < len(files):
        path = next(path for path in files if files.count(path) > 1)
        what = _("{path} is named twice").format(path=path)
        raise JobError("input", what, _("its rows would count double"), _("name every file once"))
    return files


def is_preprocessed(path: str) -> bool:
    """Whether the file is one half of token files made already: an .idx, or a .bin with one beside."""
    stem, suffix = os.path.splitext(path)
    index = stem + ".idx" if suffix == ".bin" else path
    try:
        with open(index, "rb") as stream:
            return os.path.isfile(path) and stream.read(len(INDEX_MAGIC)) == INDEX_MAGIC
    except OSError:
        return False


def _files_of(path: str) -> List[str]:
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        return _files_in(path)
    if glob.has_magic(path):
        files = [name for name in sorted(glob.glob(path, recursive=True)) if os.path.isfile(name)]
        if files:
            return files
        raise JobError("input", _("no file fits {path}").format(path=path))
    if os.path.exists(path):
        what = _("{path} is not a regular file").format(path=path)
        raise JobError("input", what, _("the data is read more than once"), _("save it to a file"))
    raise JobError("input", _("no such file: {path}").format(path=path))


def _files_in(folder: str) -> List[str]:
    by_suffix: Dict[str, List[str]] = {}
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    for name in names:
        path = os.path.join(folder, name)
        if suffix_of(name) in SUFFIXES and os.path.isfile(path):
            by_suffix.setdefault(suffix_of(name), []).append(path)
    if not by_suffix:
        what = _("no training data in {path}").format(path=folder)
        why = _("found: {names}").format(names=", ".join(names[:12]) or _("nothing"))
        fix = _("the files end in one of {suffixes}").format(suffixes=known_suffixes())
        raise JobError("input", what, why, fix)
    chosen = max(by_suffix.values(), key=len)
    _refuse_copies(chosen)
    return chosen


def _refuse_copies(files: List[str]) -> None:
    """A packed file beside the same file unpacked is one data set, not two."""
    for path in files:
        stem, _dot, suffix = path.rpartition(".")
        if suffix in PACKED_SUFFIXES and stem in files:
            what = _("{path} lies beside {stem}").format(path=path, stem=os.path.basename(stem))
            raise JobError("input", what, _("they look like the same rows"), _("take one of them away"))
