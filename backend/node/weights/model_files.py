"""Which files a model's folder must have beside its weights: named by its configs, imported by its code."""

from __future__ import annotations

import json
import os
import re
from gettext import gettext as _
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set

from backend.node.weights.tensor_file import POINTER

CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
# One of these lines is the vocabulary of a tokenizer.
VOCABULARIES = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"), ("qwen.tiktoken",))
# Many models have them, and some are whole without.
USUAL = ("generation_config.json", "special_tokens_map.json")

_RELATIVE_IMPORT = re.compile(r"^[ \t]*from[ \t]+\.(\w+)[ \t]+import\b", re.MULTILINE)


class Wanted(NamedTuple):
    """`needed`: the model cannot be used without it; `why`: who asks for it."""

    name: str
    needed: bool
    why: str


def wanted_files(directory: str, present: List[str]) -> List[Wanted]:
    """Every file that a folder should have beside its weights, with those that are there."""
    found = [Wanted(CONFIG, True, _("it says what the model is"))]
    found.append(Wanted(TOKENIZER_CONFIG, True, _("it says which tokenizer the model has")))
    found += _vocabulary(present)
    found += [Wanted(name, False, _("most models have it")) for name in USUAL]
    found += _code(directory, present)
    unique: Dict[str, Wanted] = {}
    for one in found:
        unique.setdefault(one.name, one)
    return list(unique.values())


def read_object(path: str) -> Optional[Dict[str, Any]]:
    """The JSON object in a file; None when it is not there or holds something else."""
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def fault_of(path: str) -> str:
    """A sentence about what is wrong with a file that is there, "" for nothing. Raises OSError."""
    if os.path.getsize(path) == 0:
        return _("it is empty")
    with open(path, "rb") as stream:
        if stream.read(len(POINTER)) == POINTER:
            return _("it is only a pointer of git-lfs: fetch the file itself")
    if not path.endswith(".json"):
        return ""
    try:
        with open(path, encoding="utf-8") as stream:
            json.load(stream)
    except ValueError as error:
        return _("it is not JSON: {error}").format(error=error)
    return ""


def _vocabulary(present: List[str]) -> List[Wanted]:
    """Those files that are there; the first form of all where there is none."""
    why = _("it is the tokenizer's vocabulary")
    there = [group for group in VOCABULARIES if any(name in present for name in group)]
    # A pair of which one half is missing is only missed where there is no other form.
    whole = [group for group in there if all(name in present for name in group)] or there or [VOCABULARIES[0]]
    found = [Wanted(name, True, why) for group in whole for name in group]
    tiktoken = [Wanted(name, True, why) for name in present if name.endswith(".tiktoken")]
    return tiktoken if tiktoken and not there else found


def _code(directory: str, present: List[str]) -> Iterator[Wanted]:
    """Modules named by an auto_map, and what they import beside them."""
    waiting: List[Wanted] = []
    for config in (CONFIG, TOKENIZER_CONFIG):
        content = read_object(os.path.join(directory, config)) or {}
        why = _("{name} asks for it").format(name=config)
        waiting += [Wanted(module + ".py", True, why) for module in _modules(content.get("auto_map"))]
    done: Set[str] = set()
    while waiting:
        one = waiting.pop(0)
        if one.name in done:
            continue
        done.add(one.name)
        yield one
        if one.name in present:
            why = _("{name} imports it").format(name=one.name)
            with open(os.path.join(directory, one.name), encoding="utf-8", errors="replace") as stream:
                text = stream.read()
            waiting += [Wanted(module + ".py", True, why) for module in _RELATIVE_IMPORT.findall(text)]


def _modules(auto_map: Any) -> Iterator[str]:
    """Of this folder: a name with "--" lies in a repository elsewhere."""
    values = (
        auto_map.values() if isinstance(auto_map, dict) else auto_map if isinstance(auto_map, list) else ()
    )
    for value in values:
        for name in value if isinstance(value, list) else (value,):
            if isinstance(name, str) and "." in name and "--" not in name:
                yield name.split(".")[0]
