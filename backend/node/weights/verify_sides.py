"""Weights of any kind as tensors by name, so that two of them can be laid beside each other."""

from __future__ import annotations

import os
from typing import Dict, Iterator, NamedTuple, Optional, Tuple, Union

from backend.node.weights.aside import no_such_folder
from backend.node.weights.families import mapping
from backend.node.weights.gathering import Gathered, one_of
from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.hf_plan import plan_hf
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.model import Model
from backend.node.weights.rank_copies import unequal_norms
from backend.node.weights.tensor_blocks import source_plan
from backend.node.weights.tensor_source import nbytes_of
from backend.node.weights.tree_agreement import unequal_heads
from backend.node.weights.tree_folder import is_tree
from backend.node.weights.tree_parts import TreeParts

Weights = Union[HfFolder, MegatronTree]
_BLOCKS = {mapping.QKV: ("q", "k", "v"), mapping.GATE_UP: ("gate", "up")}


class Side(NamedTuple):
    """`nbytes`: of all tensors."""

    tensors: Dict[str, Gathered]
    nbytes: int


def open_weights(directory: str, field: str) -> Weights:
    """Raises JobError about `field` when they are not whole."""
    if not os.path.isdir(directory):
        raise no_such_folder(directory, field)
    return MegatronTree(directory, field) if is_tree(directory) else HfFolder(directory, field=field)


def hf_side(folder: HfFolder, left_out: Tuple[str, ...] = ()) -> Side:
    """All tensors but those whose names end so."""
    names = [name for name in folder.names() if not (left_out and name.endswith(left_out))]
    tensors = {name: one_of(folder, name) for name in names}
    return Side(tensors, sum(nbytes_of(folder.info(name)) for name in names))


def rank_side(tree: MegatronTree) -> Side:
    """The ranks' own files: "mp_rank_00_001/model/…"; paddings and copies count."""
    tensors = {
        f"{_rank_name(tree, *rank)}/{name}": one_of(tree.rank(*rank), name)
        for rank in tree.folder.ranks
        for name in tree.names(*rank)
    }
    return Side(tensors, _tree_bytes(tree))


def joined_side(tree: MegatronTree, model: Model) -> Side:
    """The names of the family's Hugging Face model. Raises JobError when the tree does not hold it."""
    parts = TreeParts(tree, model)
    entries = plan_hf(model, "fp32").entries
    tensors = {
        name: _joined(parts, entry.part, entry.layer, entry.number, entry.sources)
        for name, entry in entries.items()
    }
    return Side(tensors, _tree_bytes(tree))


def part_side(tree: MegatronTree, model: Model) -> Side:
    """Names of parts, "layers.3.qkv.k": for a tree that does not say its family, whatever its layout."""
    parts = TreeParts(tree, model)
    tensors: Dict[str, Gathered] = {}
    outside = ["embedding", "final_norm"] + ([] if model.tie_embeddings else ["head"])
    inside = [(part, layer) for layer in range(model.layers) for part in model.layer_parts]
    for part, layer in [*inside, *((part, None) for part in outside)]:
        name = part if layer is None else f"layers.{layer}.{part}"
        blocks = _BLOCKS.get(mapping.PARTS[part].cut, ("",))
        for number, block in enumerate(blocks):
            tensors[f"{name}.{block}" if block else name] = _joined(parts, part, layer, number, len(blocks))
    return Side(tensors, _tree_bytes(tree))


def _joined(parts: TreeParts, part: str, layer: Optional[int], number: int, count: int) -> Gathered:
    """Source `number` of `count` of a part, from the pieces of all ranks."""
    sources = parts.sources(part, layer)
    shapes = [source.info(name).shape for source, name in sources]
    return Gathered(source_plan(mapping.PARTS[part].cut, shapes, parts.place, number, count), sources)


def unequal_copies(tree: MegatronTree) -> Iterator[str]:
    """Tensors that several ranks hold, and that are not the same on all of them: norms, which every tensor
    parallel rank has whole, and the last stage's copy of a tied embedding. Raises JobError."""
    yield from unequal_norms(tree)
    if tree.args.get("untie_embeddings_and_output_weights") is False:
        yield from unequal_heads(tree)


def _rank_name(tree: MegatronTree, tp_rank: int, pp_rank: int) -> str:
    return os.path.basename(os.path.dirname(tree.folder.ranks[tp_rank, pp_rank]))


def _tree_bytes(tree: MegatronTree) -> int:
    return sum(
        nbytes_of(tree.rank(*rank).info(name)) for rank in tree.folder.ranks for name in tree.names(*rank)
    )
