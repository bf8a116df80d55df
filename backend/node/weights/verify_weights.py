"""Whether two sets of weights are the same: Hugging Face with Megatron, or two of a kind."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from gettext import gettext as _
from typing import Any, Dict, Iterator, List, Optional, Tuple

from backend.node.job_lines import JobError
from backend.node.weights.array_compare import compare
from backend.node.weights.checksums import damage
from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.made_manifest import notes_on_changes
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.model import Model
from backend.node.weights.model_config import read_model
from backend.node.weights.progress import Progress, Tell
from backend.node.weights.tensor_source import TensorInfo, nbytes_of
from backend.node.weights.tied_head import own_head
from backend.node.weights.tree_model import tree_model
from backend.node.weights.verify_sides import (
    Side,
    Weights,
    hf_side,
    joined_side,
    open_weights,
    part_side,
    rank_side,
    unequal_copies,
)

LISTED = 20
_MOST_WORKERS = 8


def verify_weights(a: str, b: str, tell: Optional[Tell] = None) -> Dict[str, Any]:
    """Compare every tensor, a few rows at a time.

    Raises JobError (field "a" or "b") when one of them is not whole or not of the other's model, StorageError
    when a file cannot be read to its end, OSError.
    Two Megatron trees of one layout and format are compared rank by rank, padding included ("mp_rank_00/…");
    other trees by parts ("layers.3.qkv.k"); with a Hugging Face folder its names are used. Returns

    - "a", "b": dicts of "directory", "kind" ("hf" or "megatron"), "format" ("legacy", "mcore", None),
      "tp", "pp" (None for hf);
    - "equal": all names, shapes, dtypes and bits are the same, and no file's own checksum says that it is
      damaged (a note names it); "same_values": the same but for the dtypes;
    - "compared": tensors that both have; "bytes": of them, as `a` holds them; "seconds";
    - "only_a", "only_b": names that the other has not, sorted (all of them);
    - "differing": of the first 20, dicts of "name" and what array_compare.compare says ("why", "a", "b",
      "values", "first", "largest"); "differing_count": of all; "differing_values": of all, shapes aside;
    - "unequal_copies": norms that the tensor parallel ranks of one tree hold differently, and copies of a
      tied embedding (names with the folder, of both trees): such a tree is broken even when both are equal;
    - "notes": sentences.
    """
    started = time.monotonic()
    first, second = open_weights(a, "a"), open_weights(b, "b")
    notes = notes_on_changes(a) + notes_on_changes(b)
    sides = _sides(first, second, notes)
    result = {"a": _described(first, a), "b": _described(second, b), **_compared(*sides, tell, started)}
    copies = [
        name for one in (first, second) if isinstance(one, MegatronTree) for name in unequal_copies(one)
    ]
    damaged = [note for weights in (first, second) for note in damage(weights.files)]
    same_values = result.pop("same_values") and not copies and not damaged
    return {
        **result,
        "equal": same_values and not result["differing_count"],
        "same_values": same_values,
        "unequal_copies": copies,
        "seconds": time.monotonic() - started,
        "notes": notes + damaged,
    }


def _described(weights: Weights, directory: str) -> Dict[str, Any]:
    found: Dict[str, Any] = {"directory": directory, "kind": "hf", "format": None, "tp": None, "pp": None}
    if isinstance(weights, MegatronTree):
        layout = weights.layout
        found.update(kind="megatron", format=weights.format, tp=layout.tp, pp=layout.pp)
    return found


def _sides(a: Weights, b: Weights, notes: List[str]) -> Tuple[Side, Side]:
    """Both in the same words."""
    if isinstance(a, HfFolder):
        if isinstance(b, HfFolder):
            return hf_side(a, _optional(a)), hf_side(b, _optional(b))
        model = read_model(a.config, "a")
        return hf_side(a, _without_place(a, model)), joined_side(b, model)
    if isinstance(b, HfFolder):
        model = read_model(b.config, "b")
        return joined_side(a, model), hf_side(b, _without_place(b, model))
    same_form = a.format == b.format and a.layout == b.layout
    if same_form or a.is_adapter or b.is_adapter:
        return rank_side(a), rank_side(b)
    models = tree_model(a), tree_model(b)
    vocab = min(model.vocab for model in models)
    if models[0].vocab != models[1].vocab:
        text = _("the first {count} words of the vocabulary are compared: one of the trees may be padded")
        notes.append(text.format(count=vocab))
    one, other = (model._replace(vocab=vocab) for model in models)
    return part_side(a, one), part_side(b, other)


def _optional(folder: HfFolder) -> Tuple[str, ...]:
    """What may be stored or not: a head that is the embedding, and tensors that carry nothing."""
    try:
        model = read_model(folder.config)
    except JobError:
        return ()
    return _left_out(folder, model)


def _left_out(folder: HfFolder, model: Model) -> Tuple[str, ...]:
    """A head counts where it is not the tied embedding again."""
    tied = tuple(one.name for one in model.table.head.sources) if model.tie_embeddings else ()
    return model.table.ignored + (() if own_head(model, folder) else tied)


def _without_place(folder: HfFolder, model: Model) -> Tuple[str, ...]:
    """Names that Megatron has no place for."""
    return _left_out(folder, model) + tuple(one.name for one in model.table.buffers)


def _compared(a: Side, b: Side, tell: Optional[Tell], started: float) -> Dict[str, Any]:
    common = [name for name in a.tensors if name in b.tensors]
    differing: List[Dict[str, Any]] = []
    found_count = values = done = 0
    same_values = len(common) == len(a.tensors) == len(b.tensors)
    for name, found in _findings(a, b, common):
        done += nbytes_of(TensorInfo(a.tensors[name].shape, a.tensors[name].dtype))
        if found is not None:
            found_count += 1
            values += found["values"] or 0
            same_values = same_values and found["values"] == 0
            if len(differing) < LISTED:
                differing.append({"name": name, **found})
        if tell:
            tell(Progress(min(done, a.nbytes), a.nbytes, time.monotonic() - started))
    if tell:
        tell(Progress(a.nbytes, a.nbytes, time.monotonic() - started))
    return {
        "compared": len(common),
        "bytes": done,
        "only_a": sorted(set(a.tensors) - set(b.tensors)),
        "only_b": sorted(set(b.tensors) - set(a.tensors)),
        "differing": differing,
        "differing_count": found_count,
        "differing_values": values,
        "same_values": same_values,
    }


def _findings(a: Side, b: Side, names: List[str]) -> Iterator[Tuple[str, Optional[Dict[str, Any]]]]:
    """What compare says of each, in their order; several are in work at a time."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pool = ThreadPoolExecutor(min(processors, _MOST_WORKERS))
    futures = [pool.submit(compare, a.tensors[name], b.tensors[name]) for name in names]
    try:
        for name, future in zip(names, futures):
            yield name, future.result()
    finally:
        for future in futures:
            future.cancel()
        pool.shutdown()
