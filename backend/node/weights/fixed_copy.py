"""A copy of the files beside a model's weights with the known changes applied: made once, renewed where it is
ours."""

from __future__ import annotations

import os
import platform
import shutil
from gettext import gettext as _
from typing import Any, Dict, List, Optional

from backend.node import durable, manifest
from backend.node.job_lines import JobError
from backend.node.weights.fix_ups import fix_ups
from backend.node.weights.made_manifest import MANIFEST, read_manifest
from backend.node.weights.output_folder import files_below, new_folder, storage_error

_OUTPUT = "output_directory"
_ACTION = "check-files"


def copy_fixed(
    directory: str, present: List[str], family: str, target: str, overwrite: bool
) -> Dict[str, Any]:
    """Copy the files `present` of the folder `directory` into the folder `target`, the changes of the family
    applied. Answers "fixed": names of those changed, and "up_to_date": they were there already.

    Raises JobError (field "output_directory"), StorageError."""
    inside = os.path.realpath(target).startswith(os.path.realpath(directory) + os.sep)
    if inside or os.path.realpath(target) == os.path.realpath(directory):
        what = _("{path} is the folder that is looked at, or lies in it").format(path=target)
        raise JobError(_OUTPUT, what, _("files are changed in a copy only"), _("give another folder"))
    try:
        sources = {
            "action": _ACTION,
            "settings": {
                "hf_directory": os.path.abspath(directory),
                "family": family,
                # A later version may know more.
                "fix_ups": sorted(fix_ups(family)),
            },
            "inputs": [
                manifest.describe_file(os.path.join(os.path.abspath(directory), name)) for name in present
            ],
        }
        before = _own(target)
        if before is not None and before["made_from"] == sources:
            return {"fixed": before.get("fixed", []), "up_to_date": True}
        with new_folder(target, overwrite or before is not None, with_weights=False) as folder:
            changed = [name for name in present if _copy_file(directory, name, folder, family)]
            _describe(folder, sources, present, changed)
    except OSError as error:
        raise storage_error(error, target) from error
    return {"fixed": changed, "up_to_date": False}


def _describe(folder: str, sources: Dict[str, Any], names: List[str], changed: List[str]) -> None:
    outputs = [os.path.join(folder, name) for name in names]
    versions = {"python": platform.python_version()}
    manifest.write(
        os.path.join(folder, MANIFEST), sources, {"files": len(names)}, outputs, versions, {"fixed": changed}
    )


def _own(target: str) -> Optional[Dict[str, Any]]:
    """The manifest of a folder that was made by this, and in which nothing has been added or changed."""
    found = read_manifest(target)
    if found is None or found["made_from"]["action"] != _ACTION:
        return None
    names = {one["path"] for one in found["outputs"]} | {MANIFEST}
    there = {os.path.relpath(path, target) for path in files_below(target)}
    return found if there == names and manifest.is_current(found, found["made_from"], target) else None


def _copy_file(directory: str, name: str, folder: str, family: str) -> bool:
    """Whether the copy differs."""
    source, path = os.path.join(directory, name), os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    changes = [one.change for one in fix_ups(family).values() if one.file == name and one.change]
    if not changes:
        with open(source, "rb") as stream, durable.open_temporary(path) as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
        durable.publish(path)
        return False
    before = text = read_text(source)
    for change in changes:
        changed = change(text)
        text = text if changed is None else changed
    with durable.open_temporary(path) as copy:
        copy.write(text.encode("utf-8", errors="surrogateescape"))
    durable.publish(path)
    return text != before


def read_text(path: str) -> str:
    """UTF-8 or not: bytes that are none come back as they were."""
    # Line ends stay as they are.
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return stream.read()
