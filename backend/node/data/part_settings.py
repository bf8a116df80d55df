"""How the parts of a data set were made, by the descriptions beside them, and whether they go together."""

from __future__ import annotations

import json
import os
from gettext import gettext as _
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from backend.node import manifest
from backend.node.data.recorded import manifest_of
from backend.node.data.token_sets import without_suffix
from backend.node.job_lines import JobError

# What decides how a sample is written down; columns and inputs may differ from part to part.
_DECISIVE = (
    "handler",
    "prompt_type",
    "append_eod",
    "pack",
    "seq_length",
    "tokenizer_type",
    "use_fast",
)
_PATHS = ("tokenizer", "vocab_file", "merge_file")


class Part(NamedTuple):
    """A prefix, and what `<prefix>.json` says: None where nothing of npudeck describes it."""

    prefix: str
    found: Optional[Dict[str, Any]]

    @property
    def settings(self) -> Optional[Dict[str, Any]]:
        """The settings it was made with, if that is known."""
        source = (self.found or {}).get("made_from")
        settings = source.get("settings") if isinstance(source, dict) else None
        return settings if isinstance(settings, dict) else None

    @property
    def tokenizer(self) -> List[Tuple[str, str]]:
        """Name and fingerprint of each of the tokenizer's files, wherever they lie."""
        files = (self.found or {}).get("made_from", {}).get("tokenizer") or []
        return sorted((os.path.basename(file["path"]), file["fingerprint"]) for file in files)


def find_manifest(prefix: str) -> Optional[Dict[str, Any]]:
    """What describes the files of `prefix`: a preprocessing prefix, or one pair's own."""
    stem = without_suffix(prefix)
    return manifest.read(stem + ".json") or manifest_of(stem)


def read_parts(prefixes: Sequence[str]) -> List[Part]:
    return [Part(prefix, find_manifest(prefix)) for prefix in prefixes]


def check_alike(parts: Sequence[Part]) -> None:
    """See that the parts that are described were made with one tokenizer, in one way. Raises JobError."""
    known = [part for part in parts if part.settings is not None]
    reasons = []
    for other in known[1:]:
        reasons = _differences(known[0], other)
        if reasons:
            what = _("{one} and {other} were made in different ways").format(
                one=known[0].prefix, other=other.prefix
            )
            fix = _("make them with the same settings, or force it")
            raise JobError("prefixes", what, "; ".join(reasons), fix)


def made_from(parts: Sequence[Part], files: Sequence[str]) -> Dict[str, Any]:
    """What the joined files are made from: `files` (of the parts, in order) and, where all parts are
    described, the settings and the tokenizer that they have in common. Raises OSError."""
    source: Dict[str, Any] = {"merged": [manifest.describe_file(path) for path in files]}
    settings = [part.settings for part in parts]
    first = settings[0]
    if first is None or None in settings:
        return source
    common = {
        name: value
        for name, value in first.items()
        if all(other is not None and name in other and other[name] == value for other in settings)
    }
    if all(part.tokenizer == parts[0].tokenizer for part in parts):
        # The same files may lie in another folder on another machine.
        common.update({name: first[name] for name in _PATHS if name in first})
        source["tokenizer"] = (parts[0].found or {})["made_from"].get("tokenizer", [])
    source["settings"] = common
    return source


def _differences(one: Part, other: Part) -> List[str]:
    mine, yours = one.settings or {}, other.settings or {}
    reasons = []
    if one.tokenizer != other.tokenizer:
        reasons.append(_("tokenizer: {one} and {other}").format(one=_folder(mine), other=_folder(yours)))
    for name in _DECISIVE:
        if mine.get(name) != yours.get(name):
            values = [json.dumps(settings.get(name), ensure_ascii=False) for settings in (mine, yours)]
            reasons.append(f"{name}: " + _("{one} and {other}").format(one=values[0], other=values[1]))
    return reasons


def _folder(settings: Dict[str, Any]) -> str:
    return str(settings.get("tokenizer") or settings.get("vocab_file") or _("not known"))
