"""Weights of any kind as tensors by name, so that two of them can be laid beside each other."""

from __future__ import annotations

import os
from functools import partial
from gettext import gettext as _
from typing import Callable, Dict, Iterable, Iterator, NamedTuple, Optional, Tuple, Union

from backend.node.job_lines import JobError
from backend.node.weights.array_compare import compare
from backend.node.weights.arrays import ITEM_BYTES, Array
from backend.node.weights.families import mapping
from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.hf_plan import plan_hf
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.model import Model
from backend.node.weights.tensor_cuts import source, whole
from backend.node.weights.tensor_source import TensorSource
from backend.node.weights.tree_folder import is_tree
from backend.node.weights.tree_formats import FORMATS
from backend.node.weights.tree_parts import TreeParts

Weights = Union[HfFolder, MegatronTree]
Getters = Dict[str, Callable[[], Array]]
_QKV, _GATE_UP = ("q", "k", "v"), ("gate", "up")
_BLOCKS = {mapping.QKV: _QKV, mapping.GATE_UP: _GATE_UP}


class Side(NamedTuple):
    """`tensors`: name to a function that answers it; `nbytes`: of all; `release(name)` gives pages back."""

    tensors: Getters
    nbytes: int
    release: Callable[[str], None]


def open_weights(directory: str, field: str) -> Weights:
    """Raises JobError about `field` when they are not whole."""
    if not os.path.isdir(directory):
        raise JobError(field, _("no such folder: {path}").format(path=directory))
    return MegatronTree(directory, field) if is_tree(directory) else HfFolder(directory, field=field)


def hf_side(folder: HfFolder, left_out: Tuple[str, ...] = ()) -> Side:
    """All tensors but those whose names end so."""
    names = [name for name in folder.names() if not (left_out and name.endswith(left_out))]
    tensors = {name: _getter(folder, name) for name in names}
    return Side(tensors, sum(_nbytes(folder, name) for name in names), folder.release)


def rank_side(tree: MegatronTree) -> Side:
    """The ranks' own files: "mp_rank_00_001/model/…"; paddings and copies count."""
    where: Dict[str, Tuple[TensorSource, str]] = {}
    for rank, path in tree.folder.ranks.items():
        top = os.path.basename(os.path.dirname(path))
        where.update({f"{top}/{name}": (tree.rank(*rank), name) for name in tree.names(*rank)})

    def release(name: str) -> None:
        where[name][0].release(where[name][1])

    tensors = {name: _getter(*found) for name, found in where.items()}
    return Side(tensors, sum(_nbytes(*found) for found in where.values()), release)


def joined_side(tree: MegatronTree, model: Model) -> Side:
    """The names of the family's Hugging Face model. Raises JobError when the tree does not hold it."""
    parts = TreeParts(tree, model)
    plan = plan_hf(model, "fp32")

    def get(name: str) -> Array:
        entry = plan.entries[name]
        pieces = parts.pieces(entry.part, entry.layer)
        cut = mapping.PARTS[entry.part].cut
        arrays = [piece.data for piece in pieces]
        return Array(source(cut, arrays, parts.place, entry.number, entry.sources), pieces[0].dtype)

    def release(name: str) -> None:
        parts.release(plan.entries[name].part, plan.entries[name].layer)

    tensors: Getters = {name: partial(get, name) for name in plan.entries}
    return Side(tensors, _tree_bytes(tree), release)


def part_side(tree: MegatronTree, model: Model) -> Side:
    """Names of parts, "layers.3.qkv.k": for a tree that does not say its family, whatever its layout."""
    parts = TreeParts(tree, model)
    of: Dict[str, Tuple[str, Optional[int], int]] = {}
    outside = ["embedding", "final_norm"] + ([] if model.tie_embeddings else ["head"])
    inside = [(part, layer) for layer in range(model.layers) for part in model.layer_parts]
    for part, layer in [*inside, *((part, None) for part in outside)]:
        name = part if layer is None else f"layers.{layer}.{part}"
        blocks = _BLOCKS.get(mapping.PARTS[part].cut)
        for number, block in enumerate(blocks or ("",)):
            of[f"{name}.{block}" if block else name] = (part, layer, number)

    def get(name: str) -> Array:
        part, layer, number = of[name]
        pieces = parts.pieces(part, layer)
        arrays = [piece.data for piece in pieces]
        return Array(whole(mapping.PARTS[part].cut, arrays, parts.place)[number], pieces[0].dtype)

    def release(name: str) -> None:
        parts.release(*of[name][:2])

    tensors: Getters = {name: partial(get, name) for name in of}
    return Side(tensors, _tree_bytes(tree), release)


def unequal_copies(tree: MegatronTree) -> Iterator[str]:
    """Tensors that several ranks hold, and that are not the same on all of them: norms, which every tensor
    parallel rank has whole, and the last stage's copy of a tied embedding."""
    yield from _unequal_norms(tree)
    yield from _unequal_heads(tree)


def _unequal_heads(tree: MegatronTree) -> Iterator[str]:
    last = tree.layout.pp - 1
    if last == 0 or tree.args.get("untie_embeddings_and_output_weights") is not False:
        return
    names = FORMATS[tree.format]
    for tp_rank in range(tree.layout.tp):
        embedding = _ending(tree.names(tp_rank, 0), names.names["embedding"])
        copy = _ending(tree.names(tp_rank, last), names.tied_head)
        if embedding and copy:
            whole_one = tree.rank(tp_rank, 0).get(embedding)
            if compare(whole_one, tree.rank(tp_rank, last).get(copy)) is not None:
                yield f"{_rank_name(tree, tp_rank, last)}/{copy}"


def _ending(names: Iterable[str], path: str) -> str:
    return next((name for name in names if name.endswith("/" + path)), "")


def _rank_name(tree: MegatronTree, tp_rank: int, pp_rank: int) -> str:
    return os.path.basename(os.path.dirname(tree.folder.ranks[tp_rank, pp_rank]))


def _unequal_norms(tree: MegatronTree) -> Iterator[str]:
    for pp_rank in range(tree.layout.pp):
        first = tree.rank(0, pp_rank)
        for name in tree.names(0, pp_rank):
            if not name.endswith(("norm.weight", "layernorm.weight")):
                continue
            others = (tree.rank(tp_rank, pp_rank) for tp_rank in range(1, tree.layout.tp))
            if any(compare(first.get(name), other.get(name)) is not None for other in others):
                yield f"{_rank_name(tree, 0, pp_rank)}/{name}"


def _getter(tensors: TensorSource, name: str) -> Callable[[], Array]:
    return partial(tensors.get, name)


def _nbytes(tensors: TensorSource, name: str) -> int:
    info = tensors.info(name)
    size = ITEM_BYTES[info.dtype]
    for length in info.shape:
        size *= length
    return size


def _tree_bytes(tree: MegatronTree) -> int:
    return sum(_nbytes(tree.rank(*rank), name) for rank in tree.folder.ranks for name in tree.names(*rank))
