"""Which pairs of token files belong to a prefix, and what a pair's name says about it."""

from __future__ import annotations

import os
import re
from gettext import gettext as _
from typing import List, NamedTuple, Set

from backend.node.job_lines import JobError

_PACKED = "_packed_"
_NAME = re.compile(r"(?P<packed>_packed)?_(?P<key>[^/]+?)_(?:document|sentence)")
# Keys of one sample stand together, in the order in which a reader wants them.
_ORDER = (
    "input_ids",
    "attention_mask",
    "labels",
    "chosen_input_ids",
    "chosen_labels",
    "rejected_input_ids",
    "rejected_labels",
)


class TokenSet(NamedTuple):
    """One pair of files: `path` + ".bin" and `path` + ".idx".

    `key`: the column or output it holds ("text", "input_ids"; "" where the name does not say); `packed`:
    whether it is one output of instruction data; `suffix`: `path` without the prefix that was asked for."""

    path: str
    key: str
    packed: bool
    suffix: str


def find_sets(prefix: str) -> List[TokenSet]:
    """The pairs under `prefix`: `P_text_document`, `P_packed_labels_document` and so on, or the one pair that
    `prefix` names itself (with or without ".bin" or ".idx"); at least one half of each is there.

    Raises JobError (field "prefix") when there are none."""
    exact = without_suffix(prefix)
    if halves(exact):
        return [_named(exact, "")]
    folder, stem = os.path.split(prefix)
    found: Set[str] = set()
    for name in _entries(folder or "."):
        root, suffix = os.path.splitext(name)
        if suffix in (".bin", ".idx") and root.startswith(stem) and _belongs(root[len(stem) :]):
            found.add(root)
    if not found:
        raise _none(prefix, folder or ".")
    sets = [_named(os.path.join(folder, root), root[len(stem) :]) for root in found]
    return sorted(sets, key=lambda one: (one.packed, _rank(one.key), one.path))


def without_suffix(path: str) -> str:
    """A pair's own prefix, however it was named."""
    return path[:-4] if path.endswith((".bin", ".idx")) else path


def halves(path: str) -> List[str]:
    """The files of the pair `path` that are there."""
    return [path + suffix for suffix in (".bin", ".idx") if os.path.isfile(path + suffix)]


def siblings(found: TokenSet) -> List[TokenSet]:
    """All outputs of the same instruction data; for other data the pair alone."""
    start, packed, _rest = found.path.rpartition(_PACKED)
    if not found.packed or not packed:
        return [found]
    return [one for one in find_sets(start) if one.packed]


def _belongs(rest: str) -> bool:
    """Another data set's prefix may start with the same letters: its packed files are not of this one."""
    return bool(_NAME.fullmatch(rest)) and (rest.startswith(_PACKED) or _PACKED not in rest)


def _named(path: str, suffix: str) -> TokenSet:
    name = os.path.basename(path)
    if not suffix:
        _start, packed, rest = name.rpartition(_PACKED)
        suffix = packed + rest if packed else "_" + "_".join(name.split("_")[-2:])
        found = _NAME.fullmatch(suffix)
        return TokenSet(path, found["key"] if found else "", bool(found and found["packed"]), "")
    match = _NAME.fullmatch(suffix)
    return TokenSet(path, match["key"] if match else "", bool(match and match["packed"]), suffix)


def _rank(key: str) -> int:
    return _ORDER.index(key) if key in _ORDER else len(_ORDER)


def _entries(folder: str) -> List[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _none(prefix: str, folder: str) -> JobError:
    what = _("there are no token files under {prefix}").format(prefix=prefix)
    if not os.path.isdir(folder):
        why = _("there is no folder {folder}").format(folder=folder)
        return JobError("prefix", what, why, _("see whether the path is right"))
    names = [name for name in _entries(folder) if name.endswith(".idx")]
    why = _("in its folder: {names}").format(names=", ".join(names[:8]) or _("no .idx file"))
    return JobError("prefix", what, why, _("give the prefix that preprocessing was given"))
