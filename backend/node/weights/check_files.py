"""See whether a model's folder has what a tokenizer and a loader need beside weights, and mend what is known
to stand in the way."""

from __future__ import annotations

import difflib
import os
from gettext import gettext as _
from typing import Any, Dict, List, Optional

from backend.node.job_lines import JobError
from backend.node.weights.companion_files import companion_files
from backend.node.weights.fix_ups import NEEDED, SETTING, FixUp, fix_ups, state_of
from backend.node.weights.fixed_copy import copy_fixed, read_text
from backend.node.weights.model_config import read_model
from backend.node.weights.model_files import (
    CONFIG,
    TOKENIZER_CONFIG,
    USUAL,
    fault_of,
    read_object,
    wanted_files,
)

_FIELD = "directory"
_OBJECTS = (CONFIG, TOKENIZER_CONFIG, *USUAL, "tokenizer.json", "vocab.json", "added_tokens.json")


def check_files(
    directory: str, fix_into: Optional[str] = None, like: Optional[str] = None, overwrite: bool = False
) -> Dict[str, Any]:
    """Look at all files of a model's folder but its weights; write nothing into it.

    `fix_into`: a folder that gets a copy of those files with every needed fix-up applied, and a manifest
    (not there yet, empty, made by this before and not touched since, or with `overwrite` replaced; one with
    weights never is, for no weights are copied). `like`: the original model's folder, to say
    which of its files are not here. Raises JobError (field "directory", "like_directory" or
    "output_directory"), OSError. Returns

    - "directory", "like": as given (None); "family": "" when unknown; "model_type": of config.json, "";
    - "files": one dict a file that is there or should be, sorted: "name", "there", "needed" (bool), "size"
      (bytes, None when not there), "why" (who asks for it, "" for others that are there), "fault" (a
      sentence about what is wrong with it, "");
    - "missing": names of needed files that are not there; "lacking": names of files of `like` that are not;
    - "fix_ups": one dict a known change: "key", "file" ("" for a flag of training), "state" ("needed",
      "done", or "setting": no file changes, `how` says what to do), "why", "how" (sentences), "diff" (the
      change, unified; "" when not needed);
    - "fixed_into": path or None; "written": names of the files in it; "fixed": names of those changed;
      "up_to_date": they were there already;
    - "sound": nothing needed is missing and no file has a fault. Fix-ups do not count.
    """
    if not os.path.isdir(directory):
        raise JobError(_FIELD, _("no such folder: {path}").format(path=directory))
    present = companion_files(directory)
    config = read_object(os.path.join(directory, CONFIG)) or {}
    family = _family(config)
    files = _files(directory, present)
    found = _fix_ups(directory, present, family)
    missing = [one["name"] for one in files if one["needed"] and not one["there"]]
    result: Dict[str, Any] = {
        "directory": directory,
        "like": like,
        "family": family,
        "model_type": str(config.get("model_type", "")),
        "files": files,
        "missing": missing,
        "lacking": _lacking(like, present),
        "fix_ups": found,
        "fixed_into": fix_into,
        "written": [],
        "fixed": [],
        "up_to_date": False,
        "sound": not missing and not any(one["fault"] for one in files),
    }
    if fix_into is not None:
        result["written"] = present
        result.update(copy_fixed(directory, present, family, fix_into, overwrite))
    return result


def _family(config: Dict[str, Any]) -> str:
    try:
        return read_model(config).family
    except JobError:
        return ""


def _files(directory: str, present: List[str]) -> List[Dict[str, Any]]:
    wanted = {one.name: one for one in wanted_files(directory, present)}
    listed = []
    for name in sorted({*wanted, *present}):
        path = os.path.join(directory, name)
        there = name in present
        listed.append(
            {
                "name": name,
                "there": there,
                "needed": name in wanted and wanted[name].needed,
                "size": os.path.getsize(path) if there else None,
                "why": wanted[name].why if name in wanted else "",
                "fault": _fault(directory, name) if there else "",
            }
        )
    return listed


def _fault(directory: str, name: str) -> str:
    path = os.path.join(directory, name)
    found = fault_of(path)
    if not found and name in _OBJECTS and read_object(path) is None:
        found = _("it is not a JSON object")
    return found or _too_many_words(directory, name)


def _too_many_words(directory: str, name: str) -> str:
    """A vocabulary with ids that the model has no rows for."""
    if name != "tokenizer.json":
        return ""
    config = read_object(os.path.join(directory, CONFIG)) or {}
    rows = config.get("padded_vocab_size", config.get("vocab_size"))
    words = (read_object(os.path.join(directory, name)) or {}).get("model")
    vocabulary = words.get("vocab") if isinstance(words, dict) else None
    if not isinstance(rows, int) or not isinstance(vocabulary, dict):
        return ""
    largest = max((value for value in vocabulary.values() if isinstance(value, int)), default=0)
    if largest < rows:
        return ""
    return _("it has the id {largest}, and the model has {rows} words").format(largest=largest, rows=rows)


def _lacking(like: Optional[str], present: List[str]) -> List[str]:
    if like is None:
        return []
    if not os.path.isdir(like):
        raise JobError("like_directory", _("no such folder: {path}").format(path=like))
    return [name for name in companion_files(like) if name not in present]


def _fix_ups(directory: str, present: List[str], family: str) -> List[Dict[str, Any]]:
    found = []
    for one in fix_ups(family).values():
        if one.change is None:
            found.append(_in_words(one, SETTING, ""))
        elif one.file in present:
            text = read_text(os.path.join(directory, one.file))
            state = state_of(one, text)
            if state is not None:
                found.append(_in_words(one, state, _diff(one, text) if state == NEEDED else ""))
    return found


def _in_words(fix_up: FixUp, state: str, diff: str) -> Dict[str, Any]:
    return {
        "key": fix_up.key,
        "file": fix_up.file,
        "state": state,
        "why": fix_up.why,
        "how": fix_up.how,
        "diff": diff,
    }


def _diff(fix_up: FixUp, text: str) -> str:
    changed = (fix_up.change(text) if fix_up.change else None) or text
    lines = difflib.unified_diff(
        text.splitlines(), changed.splitlines(), fix_up.file, fix_up.file, lineterm="", n=1
    )
    # Bytes that are no UTF-8 are shown by their numbers: half characters have no place in JSON.
    return "\n".join(lines).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
