"""Join token files that were made in parts, with the bytes that one go would have given."""

from __future__ import annotations

import contextlib
import os
from gettext import gettext as _
from typing import Any, Dict, List, Sequence

from backend.node import durable
from backend.node.data.join_pairs import Joined, publish_joined, write_joined
from backend.node.data.token_sets import TokenSet, find_sets, halves, without_suffix
from backend.node.job_lines import JobError


def merge(prefixes: Sequence[str], out: str, force: bool = False) -> Dict[str, Any]:
    """Join all pairs that are under every one of `prefixes`, in the order given, to pairs under `out`.

    A prefix is one that preprocessing was given (`P`, and `out` gets the same names behind it), or, for all
    of them, one pair's own (then `out` is the pair's own too). Written under temporary names, fsynced,
    renamed, `.bin` before `.idx`; memory does not grow with the data. Raises JobError (field "prefixes",
    "out", or "data_prefix" for a pair that is not whole) and OSError: then no file of `out` has been touched.
    Returns

    - "out"; "prefixes": as given;
    - "sets": one dict a joined pair: "path" (without .bin/.idx), "key", "sequences", "documents", "tokens",
      "bytes" (of the .bin), "parts" (how many pairs went in);
    - "left_out": dicts of "key", "missing_in" (prefixes): pairs that some prefixes lack.
    """
    _check_names(prefixes, out)
    found = [{one.suffix: one for one in find_sets(prefix)} for prefix in prefixes]
    every = sorted({suffix for sets in found for suffix in sets})
    common = [suffix for suffix in every if all(suffix in sets for sets in found)]
    if not common:
        what = _("the prefixes have no kind of token files in common")
        names = "; ".join(f"{prefix}: {', '.join(sorted(sets))}" for prefix, sets in zip(prefixes, found))
        raise JobError("prefixes", what, names)
    left_out = [
        {
            "key": next(sets[suffix].key for sets in found if suffix in sets),
            "missing_in": [prefix for prefix, sets in zip(prefixes, found) if suffix not in sets],
        }
        for suffix in every
        if suffix not in common
    ]
    targets = [out + suffix for suffix in common]
    joined = _join_all([[sets[suffix] for sets in found] for suffix in common], targets, force)
    return {"out": out, "prefixes": list(prefixes), "sets": joined, "left_out": left_out}


def merge_folder(folder: str, key: str, out: str, force: bool = False) -> Dict[str, Any]:
    """ModelLink's --merge-group-keys: all pairs in `folder` whose names contain `key`, sorted by name, joined
    to the pair `<out>_<key>`.

    Raises (also "input", "merge_group_keys") and returns as `merge`; "prefixes" are the pairs, "left_out" is
    empty."""
    if not os.path.isdir(folder):
        raise JobError("input", _("no such folder: {folder}").format(folder=folder))
    names = {os.path.splitext(name)[0] for name in os.listdir(folder) if name.endswith((".bin", ".idx"))}
    paths = [os.path.join(folder, name) for name in sorted(names) if key in name]
    if not paths:
        what = _("no token files in {folder} have {key} in their names").format(folder=folder, key=key)
        raise JobError("merge_group_keys", what)
    target = f"{out}_{key}"
    _check_names(paths, target)
    joined = _join_all([[TokenSet(path, key, False, "") for path in paths]], [target], force)
    return {"out": out, "prefixes": paths, "sets": joined, "left_out": []}


def _check_names(prefixes: Sequence[str], out: str) -> None:
    seen = set()
    for prefix in prefixes:
        place = os.path.realpath(without_suffix(prefix))
        if place in seen:
            raise JobError("prefixes", _("{prefix} is named twice").format(prefix=prefix))
        seen.add(place)
    if os.path.realpath(out) in seen:
        what = _("{out} is one of the files to be joined").format(out=out)
        raise JobError("out", what, "", _("choose another name for the result"))
    folder = os.path.dirname(out) or "."
    if not os.path.isdir(folder):
        raise JobError("out", _("there is no folder {folder}").format(folder=folder))


def _join_all(groups: List[List[TokenSet]], targets: List[str], force: bool) -> List[Dict[str, Any]]:
    """All pairs are written before the first gets its name."""
    for target, group in zip(targets, groups):
        if halves(target) and not force:
            what = _("{path} is there already").format(path=halves(target)[0])
            raise JobError("out", what, "", _("choose another name, or allow it to be replaced"))
        for one in group:
            _see_both_halves(one.path)
    written: List[Joined] = []
    with contextlib.ExitStack() as stack:
        for target, group in zip(targets, groups):
            for name in (target + ".bin", target + ".idx"):
                durable.remove_leftovers(name)
            written.append(stack.enter_context(write_joined([one.path for one in group], target)))
        for target in targets:
            publish_joined(target)
    return [
        {"path": target, "key": group[0].key, **joined._asdict(), "parts": len(group)}
        for target, group, joined in zip(targets, groups, written)
    ]


def _see_both_halves(path: str) -> None:
    there = halves(path)
    if len(there) == 2:
        return
    missing = path + (".idx" if there and there[0].endswith(".bin") else ".bin")
    what = _("{path} is missing beside its other half").format(path=missing)
    raise JobError("prefixes", what, _("the pair was not written whole"), _("make this part anew"))
