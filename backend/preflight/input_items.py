"""Data, tokenizer and weights on rank 0's node: there, readable, complete. Pure.

Folders of Hugging Face models: their index names every shard, and the head of a safetensors file says how
long the file is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.number_words import size
from backend.preflight.item import Item, Place, Verdict, lines_after, short, unknown, warning, well, wrong
from backend.recipes.fields import Recipe
from backend.translation import _, ngettext

MARK = "npudeck-input "
# for `python -c`, with paths as arguments; for every Python from 3.6 on; a link that leads nowhere is absent
SCRIPT = r"""
import json, os, struct, sys
def size(path):
    with open(path, "rb") as file:
        head = file.read(8)
        if len(head) < 8: return 8
        length = struct.unpack("<Q", head)[0]
        if length > 100 << 20: return -1
        table = json.loads(file.read(length).decode())
    ends = [t["data_offsets"][1] for n, t in table.items() if n != "__metadata__"]
    return 8 + length + max(ends or [0])
def folder(path):
    names = sorted(os.listdir(path))
    said = {"kind": "folder", "names": names[:500], "missing": [], "cut": []}
    shards = [n for n in names if n.endswith((".safetensors", ".bin", ".pt", ".pth"))]
    for index in [n for n in names if n.endswith(".index.json")]:
        with open(os.path.join(path, index)) as file:
            told = sorted(set(json.load(file)["weight_map"].values()))
        said["missing"] += [n for n in told if not os.path.exists(os.path.join(path, n))][:50]
    said["shards"], said["bytes"] = len(shards), 0
    for name in shards:
        place = os.path.join(path, name)
        real = os.path.getsize(place) if os.path.exists(place) else 0
        said["bytes"] += real
        if real == 0 or (name.endswith(".safetensors") and size(place) != real): said["cut"].append(name)
    return said
def look(path):
    if not os.path.exists(path): return {"kind": "absent"}
    if not os.access(path, os.R_OK): return {"kind": "closed"}
    if os.path.isdir(path): return folder(path)
    return {"kind": "file", "bytes": os.path.getsize(path)}
for path in sys.argv[1:]:
    try: said = look(path)
    except Exception as error: said = {"kind": "broken", "why": str(error)[:200]}
    print("npudeck-input " + json.dumps(said), flush=True)
"""
JudgePath = Callable[[dict[str, Any], str], Verdict]

_VOCABULARIES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "qwen.tiktoken",
    "spiece.model",
    "ice_text.model",
    "vocab.txt",
)


def input_items(recipe: Recipe, node: Node, place: Place) -> tuple[Item, ...]:
    """What the recipe names, each judged for what it is needed for."""
    tokenizer = recipe.tokenizer_path or recipe.hf_weights
    return (
        _item("data", node, place, recipe.data_path, _("readable, not empty"), _judge_data),
        # what is wrong with shards in the same folder is said of the weights
        _item(
            "tokenizer",
            node,
            place,
            tokenizer,
            _("complete"),
            _judge_tokenizer,
            shards=tokenizer != recipe.hf_weights,
        ),
        _item(
            "weights",
            node,
            place,
            recipe.hf_weights,
            _("config.json") if recipe.from_scratch else _("config.json and every shard, whole"),
            _judge_config if recipe.from_scratch else _judge_weights,
        ),
    )


def read_inputs(text: str) -> list[dict[str, Any]]:
    """What the script said of each path, in order; {} where it makes no sense."""
    found = []
    for line in lines_after(text, MARK):
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            said = {}
        found.append(said if isinstance(said, dict) else {})
    return found


def fault_of(said: dict[str, Any], path: str, *, shards: bool = True) -> str:
    """What is wrong with a path whatever it is needed for, "" when nothing is. `shards`: are they read?"""
    kind = said.get("kind")
    if kind == "absent":
        return _("{path} is not there").format(path=path)
    if kind == "closed":
        return _("{path} cannot be read").format(path=path)
    if kind == "broken":
        return short(_("{path} cannot be understood: {why}").format(path=path, why=said.get("why", "")))
    if not shards:
        return ""
    for key, words in (("missing", _("{path} lacks {names}")), ("cut", _("{path}: cut short: {names}"))):
        if listed := _texts(said.get(key)):
            return short(words.format(path=path, names=", ".join(listed[:8])))
    return ""


def is_out_of_reach(said: dict[str, Any]) -> bool:
    """Whether the path is not there or cannot be read at all."""
    return said.get("kind") in ("absent", "closed")


def _item(
    name: str, node: Node, place: Place, path: str, needed: str, judge: JudgePath, *, shards: bool = True
) -> Item:
    def judged(done: Completed) -> Verdict:
        said = read_inputs(done.text())
        if len(said) != 1 or not said[0]:
            return unknown(short(done.complaint()))
        if fault := fault_of(said[0], path, shards=shards):
            return wrong(fault, _("bring it there, or correct the path in the recipe"))
        return judge(said[0], path)

    words = f"{path}: {needed}"
    return Item(name, words, (node.python, "-c", SCRIPT, path), judged, place, 15.0)


def _judge_data(said: dict[str, Any], path: str) -> Verdict:
    empty = not said.get("names") if said.get("kind") == "folder" else not said.get("bytes")
    if empty:
        return wrong(_("{path} is empty").format(path=path), _("bring the data there again"))
    return well(path)


def _judge_tokenizer(said: dict[str, Any], path: str) -> Verdict:
    names = set(_texts(said.get("names")))
    fix = _("copy the tokenizer's files of the original model into it, or set tokenizer_path")
    if said.get("kind") != "folder":
        return wrong(_("{path} is no folder").format(path=path), fix)
    vocabulary = [name for name in _VOCABULARIES if name in names]
    if vocabulary == ["vocab.json"] and "merges.txt" not in names:
        return wrong(_("{path} has vocab.json and no merges.txt").format(path=path), fix)
    if not vocabulary:
        return wrong(_("{path} has none of {names}").format(path=path, names=", ".join(_VOCABULARIES)), fix)
    if "tokenizer_config.json" not in names:
        return warning(_("{path} has no tokenizer_config.json").format(path=path), fix)
    return well(", ".join(vocabulary))


def _judge_config(said: dict[str, Any], path: str) -> Verdict:
    return _no_config(said, path) or well(path)


def _judge_weights(said: dict[str, Any], path: str) -> Verdict:
    if lacking := _no_config(said, path):
        return lacking
    shards, total = said.get("shards"), said.get("bytes")
    if not isinstance(shards, int) or not isinstance(total, int) or not 0 < total < 1 << 63 or shards < 1:
        return wrong(_("{path} has no weights").format(path=path), _("bring the shards there"))
    return well(ngettext("{n} file, {size}", "{n} files, {size}", shards).format(n=shards, size=size(total)))


def _no_config(said: dict[str, Any], path: str) -> Verdict | None:
    if "config.json" in _texts(said.get("names")):
        return None
    return wrong(_("{path} has no config.json").format(path=path), _("name a folder of Hugging Face weights"))


def _texts(value: Any) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, list) else []
