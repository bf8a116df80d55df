"""The manifest beside weights, read: only one of the right form counts, and it speaks for its own files
alone."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Any, Dict, List, Optional

from backend.node import manifest
from backend.node.weights.hf_folder import is_weight_file
from backend.node.weights.tree_folder import TRACKER, is_iteration, iteration_named

MANIFEST = "npudeck.manifest.json"


def read_manifest(directory: str) -> Optional[Dict[str, Any]]:
    """The manifest in `directory`: "made_from" has an "action" and "settings" (a dict), and "inputs";
    "outputs" is a list of dicts with "path" (inside the folder) and "size". None where there is none such."""
    found = manifest.read(os.path.join(directory, MANIFEST))
    made_from = (found or {}).get("made_from")
    if found is None or not isinstance(made_from, dict):
        return None
    action, settings = made_from.get("action"), made_from.get("settings")
    inputs, outputs = made_from.get("inputs"), found.get("outputs")
    right = isinstance(action, str) and isinstance(settings, dict) and _are_files(inputs)
    return found if right and _are_files(outputs) and all(map(_is_inside, outputs or [])) else None


def changed_outputs(directory: str, made: Dict[str, Any]) -> List[str]:
    """Paths of the outputs, relative to `directory`, that are not there or are not what was written: by size
    and fingerprint. Raises OSError."""
    return [one["path"] for one in made["outputs"] if not _is_same(os.path.join(directory, one["path"]), one)]


def notes_on_changes(directory: str) -> List[str]:
    """A sentence about files that are there and are not those any more that npudeck wrote. Raises OSError."""
    found = read_manifest(directory)
    changed = changed_outputs(directory, found) if found is not None else []
    there = [name for name in changed if os.path.isfile(os.path.join(directory, name))]
    if not there:
        return []
    text = _("{count} files of {path} have changed since npudeck made them, the first is {name}")
    return [text.format(count=len(there), path=directory, name=there[0])]


def speaks_for(directory: str, made: Dict[str, Any]) -> bool:
    """Whether the weights that a loader would take from `directory` are those that the manifest is about: a
    training may have saved later ones into the same tree. Raises OSError."""
    if not any(is_weight_file(one["path"]) for one in made["outputs"]):
        return False
    folders = {one["path"].split(os.sep)[0] for one in made["outputs"]}
    own = {name for name in folders if is_iteration(name)}
    if not own:
        return True
    there = {name for name in os.listdir(directory) if is_iteration(name)}
    return there == own and iteration_named(os.path.join(directory, TRACKER)) in own


def _are_files(listed: Any) -> bool:
    if not isinstance(listed, list):
        return False
    return all(
        isinstance(one, dict) and isinstance(one.get("path"), str) and isinstance(one.get("size"), int)
        for one in listed
    )


def _is_inside(output: Dict[str, Any]) -> bool:
    path = os.path.normpath(output["path"])
    return not os.path.isabs(path) and path.split(os.sep)[0] not in ("", ".", "..")


def _is_same(path: str, output: Dict[str, Any]) -> bool:
    if not os.path.isfile(path) or os.path.getsize(path) != output["size"]:
        return False
    fingerprint = output.get("fingerprint")
    return fingerprint is None or manifest.describe_file(path)["fingerprint"] == fingerprint
