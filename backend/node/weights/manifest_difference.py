"""How a result that is there differs from the one that is asked for, in words."""

from __future__ import annotations

import json
import os
from gettext import gettext as _
from typing import Any, Dict, List, Optional

from backend.node.weights.made_manifest import changed_outputs, speaks_for

_MOST = 4


def difference(path: str, found: Dict[str, Any], sources: Optional[Dict[str, Any]]) -> str:
    """What of the manifest `found` in `path` is not as in `sources`, settings with both values; else what has
    happened to its files. Raises OSError."""
    if sources is not None:
        asked: Dict[str, Any] = json.loads(json.dumps(sources))
        made: Dict[str, Any] = found["made_from"]
        parts = [*_action(made, asked), *_settings(made, asked), *_inputs(made, asked)]
        if parts:
            return "; ".join(_shortened(parts))
    changed = changed_outputs(path, found)
    if changed:
        return _("{name} in it is missing or has changed since").format(name=changed[0])
    if not speaks_for(path, found):
        return _("it holds another checkpoint too, or its tracker names another one")
    return ""


def _action(made: Dict[str, Any], asked: Dict[str, Any]) -> List[str]:
    if made["action"] == asked["action"]:
        return []
    text = _("{was} made it, not {now}")
    return [text.format(was=made["action"], now=asked["action"])]


def _settings(made: Dict[str, Any], asked: Dict[str, Any]) -> List[str]:
    before, now = made["settings"], asked["settings"]
    names = [name for name in now if before.get(name) != now[name]]
    text = _("{name} was {before}, now {now}")
    return [
        text.format(name=_words(name), before=_value(before.get(name)), now=_value(now[name]))
        for name in names
    ]


def _words(name: str) -> str:
    """A key of a job as people know it."""
    return {"tensor_parallel": "TP", "pipeline_parallel": "PP"}.get(name, name.replace("_", " "))


def _value(value: Any) -> str:
    if value in (None, "", [], {}):
        return _("not given")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _inputs(made: Dict[str, Any], asked: Dict[str, Any]) -> List[str]:
    """By name: the folders are settings."""
    before, now = ({_name(one): one for one in side["inputs"]} for side in (made, asked))
    found = [_("{name} was not there then").format(name=name) for name in now if name not in before]
    found += [_("{name} is not there any more").format(name=name) for name in before if name not in now]
    for name in now:
        if name in before and before[name].get("fingerprint") != now[name].get("fingerprint"):
            found.append(_("{name} has changed since").format(name=name))
        elif name in before and before[name].get("mtime_ns") != now[name].get("mtime_ns"):
            found.append(_("{name} was written again since").format(name=name))
    return found


def _name(described: Dict[str, Any]) -> str:
    """Rank files have one name; their folders tell them apart."""
    folder, name = os.path.split(described["path"])
    return os.path.join(os.path.basename(folder), name) if name.endswith(".pt") else name


def _shortened(parts: List[str]) -> List[str]:
    if len(parts) <= _MOST:
        return parts
    return [*parts[:_MOST], _("and {count} more").format(count=len(parts) - _MOST)]
