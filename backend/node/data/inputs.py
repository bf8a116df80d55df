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
        found = sorted(glob.glob(path, recursive=True))
        _refuse_dead_links(found)
        files = [name for name in found if os.path.isfile(name)]
        if files:
            return files
        raise JobError("input", _("no file fits {path}").format(path=path), "", _("see to its spelling"))
    if os.path.exists(path):
        what = _("{path} is not a regular file").format(path=path)
        raise JobError("input", what, _("the data is read more than once"), _("save it to a file"))
    what = _("no such file: {path}").format(path=path)
    why = _("it is a link that leads nowhere") if os.path.islink(path) else ""
    raise JobError("input", what, why, _("give a file, a folder or a pattern"))


def left_out(wanted: Union[str, Sequence[str]]) -> List[str]:
    """Files of a known kind in the folders named that are not read: another ending is more frequent."""
    folders = [path for path in ([wanted] if isinstance(wanted, str) else wanted) if os.path.isdir(path)]
    found: List[str] = []
    for folder in folders:
        kinds = _by_suffix(folder)
        chosen = max(kinds.values(), key=len, default=[])
        found += [path for files in kinds.values() if files is not chosen for path in files]
    return found


def _files_in(folder: str) -> List[str]:
    kinds = _by_suffix(folder)
    if not kinds:
        names = sorted(os.listdir(folder))
        what = _("no training data in {path}").format(path=folder)
        why = _("found: {names}").format(names=", ".join(names[:12]) or _("nothing"))
        fix = _("the files end in one of {suffixes}").format(suffixes=known_suffixes())
        raise JobError("input", what, why, fix)
    most = max(map(len, kinds.values()))
    chosen = [suffix for suffix, files in kinds.items() if len(files) == most]
    if len(chosen) > 1:
        what = _("{path} holds as many .{one} as .{other} files").format(
            path=folder, one=chosen[0], other=chosen[1]
        )
        why = _("files of one ending are read, those of the most frequent")
        raise JobError(
            "input", what, why, _("name the files: {path}/*.{one}").format(path=folder, one=chosen[0])
        )
    files = kinds[chosen[0]]
    _refuse_dead_links(files)
    _refuse_copies(files)
    return files


def _by_suffix(folder: str) -> Dict[str, List[str]]:
    """The folder's files of known endings, also links that lead nowhere, by ending and in order."""
    found: Dict[str, List[str]] = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if not name.startswith(".") and suffix_of(name) in SUFFIXES and not os.path.isdir(path):
            found.setdefault(suffix_of(name), []).append(path)
    return found


def _refuse_dead_links(files: Sequence[str]) -> None:
    """A shard that cannot be read is not left out silently."""
    for path in files:
        if not os.path.isfile(path) and not os.path.isdir(path):
            what = _("{path} is not a file").format(path=path)
            why = _("it is a link that leads nowhere") if os.path.islink(path) else ""
            raise JobError("input", what, why, _("mend it, or take it out of the folder"))


def _refuse_copies(files: List[str]) -> None:
    """A packed file beside the same file unpacked is one data set, not two."""
    for path in files:
        stem, _dot, suffix = path.rpartition(".")
        if suffix in PACKED_SUFFIXES and stem in files:
            what = _("{path} lies beside {stem}").format(path=path, stem=os.path.basename(stem))
            raise JobError("input", what, _("they look like the same rows"), _("take one of them away"))
