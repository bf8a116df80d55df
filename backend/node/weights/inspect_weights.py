"""What the weights in a folder are and whether all of them are there, from names and shapes alone."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Any, Dict, List, Optional

from backend.node.weights.aside import no_such_folder
from backend.node.weights.inspect_hf import inspect_hf, inspect_peft, is_hf, is_peft
from backend.node.weights.inspect_tree import inspect_tree, is_tree_like
from backend.node.weights.made_manifest import notes_on_changes, read_manifest, speaks_for
from backend.node.weights.output_folder import files_below

_FIELD = "directory"


def inspect_weights(directory: str) -> Dict[str, Any]:
    """Look at a folder of weights; no tensor is read.

    Raises JobError (field "directory") only when there is no such folder, OSError. What is wrong with the
    weights is in the result:

    - "directory": as given; "kind": "hf", "megatron", "lora" (a Megatron tree of an adapter), "peft" (an
      adapter as PEFT keeps it) or "unknown"; "title": the same in words, with the format;
    - "complete": everything that config.json or the tree's arguments ask for is there, in its shape;
      "problems": dicts of "what", "why", "fix" (sentences), the first of each kind;
    - "family": "" where nothing says it; "model": the dimensions as a dict (fields of model.Model), None;
      "parameters": of the model by its dimensions, None; "rope_theta": None where nothing says it (a Megatron
      tree does not, its manifest does);
    - "format": "legacy" or "mcore" of trees, "safetensors" or "pytorch" of hf and peft, None;
    - "dtype": of most values ("bf16"), None; "dtypes": dict of dtype to the number of values;
    - "tensors": how many (of all ranks together); "bytes": of all files below the folder; "weight_bytes":
      of the tensors;
    - "layout": {"tp", "pp", "layers_per_stage", "layers_per_virtual_stage"} of trees, None;
      "padded_vocab_size": rows of the embedding over all ranks, None; "iteration": int or None (a release,
      or no tree); "iterations": all that there are (ints); "optimizer": whether its state is there;
    - "lora": {"rank", "alpha", "targets"} of adapters (None where unknown each), None;
    - "made_from": {"action", "settings"} of the manifest beside the weights, where it is about those that a
      loader takes, None; "notes": sentences.
    """
    if not os.path.isdir(directory):
        raise no_such_folder(directory, _FIELD)
    found = _look(directory)
    result: Dict[str, Any] = {**_BLANK, "directory": directory, **found}
    result["complete"] = bool(found) and not result["problems"]
    result["bytes"] = sum(os.path.getsize(path) for path in files_below(directory) if os.path.exists(path))
    result["made_from"] = _made_from(directory)
    result["notes"] = [*result["notes"], *notes_on_changes(directory)]
    return result


# Every key of the result, as it is where nothing is known.
_BLANK: Dict[str, Any] = {
    "kind": "unknown",
    "title": "",
    "problems": [],
    "family": "",
    "model": None,
    "parameters": None,
    "rope_theta": None,
    "format": None,
    "dtype": None,
    "dtypes": {},
    "tensors": 0,
    "weight_bytes": 0,
    "layout": None,
    "padded_vocab_size": None,
    "iteration": None,
    "iterations": [],
    "optimizer": False,
    "lora": None,
    "notes": [],
}


def _look(directory: str) -> Dict[str, Any]:
    names = sorted(os.listdir(directory))
    if is_tree_like(names):
        return inspect_tree(directory)
    if is_peft(names):
        return inspect_peft(directory)
    if is_hf(names):
        return inspect_hf(directory)
    return {"title": _("no weights that are known here"), "problems": [_unknown(names)]}


def _unknown(names: List[str]) -> Dict[str, str]:
    what = _("there is neither a model nor a checkpoint in it")
    why = _("it holds {names}").format(names=", ".join(names[:5])) if names else _("it is empty")
    fix = _("give the folder with config.json, or the one with latest_checkpointed_iteration.txt")
    return {"what": what, "why": why, "fix": fix}


def _made_from(directory: str) -> Optional[Dict[str, Any]]:
    """A manifest says nothing of weights that somebody has saved into the folder since."""
    found = read_manifest(directory)
    if found is None or not speaks_for(directory, found):
        return None
    return {"action": found["made_from"]["action"], "settings": found["made_from"]["settings"]}
