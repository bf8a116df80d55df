"""Join token files that were made in parts, with the bytes that one go would have given."""

from __future__ import annotations

import contextlib
import os
from gettext import gettext as _
from typing import Any, Dict, List, NamedTuple, Sequence

from backend.node import durable, manifest
from backend.node.data.join_pairs import Joined, publish_joined, write_joined
from backend.node.data.merged_counts import merged_counts, merged_versions
from backend.node.data.new_folder import check_folder, made_folder
from backend.node.data.part_settings import Part, check_alike, made_from, read_parts
from backend.node.data.prefix_lock import hold
from backend.node.data.token_sets import TokenSet, find_sets, halves, without_suffix
from backend.node.ending import ended_by_signals
from backend.node.job_lines import JobError
from backend.node.storage_faults import storage_faults


class _Group(NamedTuple):
    """Pairs that become one, in order; `target`: the joined pair, without .bin and .idx."""

    pairs: List[TokenSet]
    target: str


def merge(prefixes: Sequence[str], out: str, force: bool = False) -> Dict[str, Any]:
    """Join the pairs that are under the `prefixes`, in the order given, to pairs under `out`.

    A prefix is one that preprocessing was given (`P`, and `out` gets the same names behind it), or, for all
    of them, one pair's own (then `out` is the pair's own too). All must have the same keys and, as far as
    npudeck has described them, the same tokenizer and settings; `force` allows other settings, and replaces
    what is there. The folder of `out` is made when absent. Written under temporary names, fsynced, renamed,
    `.bin` before `.idx`; `<out>.json` describes the result as that of preprocessing does. Memory does not
    grow with the data. Raises JobError (field "prefixes", "out", or "data_prefix" for a pair that is not
    whole), BusyError (another process writes `out`) and StorageError: then no file of `out` has been touched.
    Returns

    - "out"; "prefixes": as given;
    - "sets": one dict a joined pair: "path" (without .bin/.idx), "key", "sequences", "documents", "tokens",
      "bytes" (of the .bin), "longest" (tokens of a sequence), "parts" (how many pairs went in).
    """
    with ended_by_signals(), storage_faults("out", out):
        _check_names(prefixes, out)
        found = [{one.suffix: one for one in find_sets(prefix)} for prefix in prefixes]
        _check_keys(prefixes, found)
        parts = read_parts(prefixes)
        if not force:
            check_alike(parts)
        groups = [_Group([sets[suffix] for sets in found], out + suffix) for suffix in found[0]]
        return {"out": out, "prefixes": list(prefixes), "sets": _join_all(groups, parts, out, force)}


def merge_folder(folder: str, key: str, out: str, force: bool = False) -> Dict[str, Any]:
    """ModelLink's --merge-group-keys: all pairs in `folder` whose names contain `key`, sorted by name, joined
    to the pair `<out>_<key>`.

    Raises (also "input", "merge_group_keys") and returns as `merge`; "prefixes" are the pairs."""
    with ended_by_signals(), storage_faults("out", out):
        if not os.path.isdir(folder):
            what = _("no such folder: {folder}").format(folder=folder)
            raise JobError("input", what, "", _("name the folder that the token files are in"))
        names = {os.path.splitext(name)[0] for name in os.listdir(folder) if name.endswith((".bin", ".idx"))}
        paths = [os.path.join(folder, name) for name in sorted(names) if key in name]
        if not paths:
            what = _("no token files in {folder} have {key} in their names").format(folder=folder, key=key)
            why = _("there are: {names}").format(names=", ".join(sorted(names)[:8]) or _("none"))
            raise JobError("merge_group_keys", what, why, _("name a part of their names"))
        target = f"{out}_{key}"
        _check_names(paths, target)
        parts = read_parts(paths)
        if not force:
            check_alike(parts)
        group = _Group([TokenSet(path, key, False, "") for path in paths], target)
        return {"out": out, "prefixes": paths, "sets": _join_all([group], parts, target, force)}


def _check_names(prefixes: Sequence[str], out: str) -> None:
    if os.path.basename(out) in ("", os.curdir, os.pardir):
        what = _("{out} has no name at its end").format(out=repr(out))
        raise JobError("out", what, "", _("give directory/name: files are called name_…"))
    check_folder(os.path.dirname(out), "out")
    seen = set()
    for prefix in prefixes:
        place = os.path.realpath(without_suffix(prefix))
        if place in seen:
            what = _("{prefix} is named twice").format(prefix=prefix)
            raise JobError("prefixes", what, _("its samples would count double"), _("name every part once"))
        seen.add(place)
    if os.path.realpath(without_suffix(out)) in seen:
        what = _("{out} is one of the files to be joined").format(out=out)
        raise JobError("out", what, "", _("choose another name for the result"))


def _check_keys(prefixes: Sequence[str], found: Sequence[Dict[str, TokenSet]]) -> None:
    """Every part has all pairs: what only some have would be lost without anybody having asked for it."""
    every = list(dict.fromkeys(suffix for sets in found for suffix in sets))
    for suffix in every:
        lacking = [prefix for prefix, sets in zip(prefixes, found) if suffix not in sets]
        if lacking:
            key = next(sets[suffix].key for sets in found if suffix in sets)
            what = _("{prefix} has no {key}").format(prefix=lacking[0], key=key or suffix.strip("_"))
            why = "; ".join(
                f"{prefix}: {', '.join(one.key or one.path for one in sets.values())}"
                for prefix, sets in zip(prefixes, found)
            )
            fix = _("name parts with the same keys, or of every part the one pair that you want")
            raise JobError("prefixes", what, why, fix)


def _join_all(groups: List[_Group], parts: List[Part], out: str, force: bool) -> List[Dict[str, Any]]:
    """All pairs are written before the first gets its name."""
    with made_folder(os.path.dirname(out)), hold(out), contextlib.ExitStack() as stack:
        _check_targets(groups, out, force)
        written: List[Joined] = []
        for group in groups:
            for name in (group.target + ".bin", group.target + ".idx"):
                durable.remove_leftovers(name)
            paths = [one.path for one in group.pairs]
            written.append(stack.enter_context(write_joined(paths, group.target)))
        _publish(groups, parts, written, out)
    return [
        {"path": group.target, "key": group.pairs[0].key, **joined._asdict(), "parts": len(group.pairs)}
        for group, joined in zip(groups, written)
    ]


def _check_targets(groups: List[_Group], out: str, force: bool) -> None:
    for group in groups:
        if halves(group.target) and not force:
            what = _("{path} is there already").format(path=halves(group.target)[0])
            raise JobError("out", what, "", _("choose another name, or allow it to be replaced"))
        for one in group.pairs:
            _see_both_halves(one.path)
    path = out + ".json"
    if not os.path.lexists(path) or force:
        return
    found = manifest.read(path)
    if found is None or "merged" not in (found.get("made_from") or {"merged": []}):
        what = _("{path} is there already").format(path=path)
        why = _("the description of the result would replace it")
        raise JobError("out", what, why, _("choose another name, or allow it to be replaced"))


def _publish(groups: List[_Group], parts: List[Part], written: List[Joined], out: str) -> None:
    """Give the files their names, the manifest last; until then it says that they are not whole."""
    # From the root, as preprocessing writes them: a manifest is read from any working directory.
    path = os.path.abspath(out) + ".json"
    files = [
        os.path.abspath(one.path) + ending for group in groups for one in group.pairs for ending in _ENDS
    ]
    source = made_from(parts, files)
    counts = merged_counts(written, groups[0].pairs[0].packed, parts)
    manifest.write(path, {}, counts, [], {})
    for group in groups:
        publish_joined(group.target)
    outputs = [os.path.abspath(group.target) + ending for group in groups for ending in _ENDS]
    manifest.write(path, source, counts, outputs, merged_versions(parts))


def _see_both_halves(path: str) -> None:
    there = halves(path)
    if len(there) == 2:
        return
    missing = path + (".idx" if there and there[0].endswith(".bin") else ".bin")
    what = _("{path} is missing beside its other half").format(path=missing)
    raise JobError("prefixes", what, _("the pair was not written whole"), _("make this part anew"))


_ENDS = (".bin", ".idx")
