"""What several tensor parallel ranks each hold whole, and may hold differently: norms of a tree, and the half
of an adapter's module that is not cut."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Iterator, List

from backend.node.weights.array_compare import compare
from backend.node.weights.families import mapping
from backend.node.weights.gathering import one_of
from backend.node.weights.lora import DOWN, UP
from backend.node.weights.lora_tree import MergedTree
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.tree_formats import FORMATS

_NORMS = ("norm.weight", "layernorm.weight")


def unequal_norms(tree: MegatronTree) -> Iterator[str]:
    """Names with the folder of the first rank: "mp_rank_00_001/model/…". Raises JobError, OSError."""
    for pp_rank in range(tree.layout.pp):
        for name in tree.names(0, pp_rank):
            if name.endswith(_NORMS) and _differs(tree, pp_rank, name):
                yield placed(tree, 0, pp_rank, name)


def unequal_halves(adapter: MegatronTree) -> Iterator[str]:
    """The same of an adapter: lower halves of modules that are cut by rows, upper ones of the others.

    Raises JobError, OSError."""
    names = FORMATS[adapter.format].names
    by_columns = {
        names[part].split(".")[-2]
        for part, shape in mapping.LAYER_PARTS.items()
        if shape.cut == mapping.COLUMNS
    }
    for pp_rank in range(adapter.layout.pp):
        for name in adapter.names(0, pp_rank):
            half = DOWN if name.endswith(DOWN) else UP if name.endswith(UP) else ""
            if not half:
                continue
            module = name[: -len(half)].rpartition(".")[2]
            if (half == UP) is (module in by_columns) and _differs(adapter, pp_rank, name):
                yield placed(adapter, 0, pp_rank, name)


def notes_on_copies(tree: MegatronTree) -> List[str]:
    """Sentences where the ranks of a tree, or of the adapter in it, are not at one: only one can be right."""
    notes = notes_on_halves(tree.adapter) if isinstance(tree, MergedTree) else []
    found = list(unequal_norms(tree))
    if found:
        text = _(
            "{count} norms differ between tensor parallel ranks, the first is {name}: "
            "those of rank 0 are used"
        )
        notes.append(text.format(count=len(found), name=found[0]))
    return notes


def notes_on_halves(adapter: MegatronTree) -> List[str]:
    """The same about an adapter alone."""
    found = list(unequal_halves(adapter))
    if not found:
        return []
    text = _(
        "{count} halves of the adapter that every tensor parallel rank holds whole differ between ranks, the "
        "first is {name}"
    )
    return [text.format(count=len(found), name=found[0])]


def _differs(tree: MegatronTree, pp_rank: int, name: str) -> bool:
    first, *others = (one_of(tree.rank(rank, pp_rank), name) for rank in range(tree.layout.tp))
    return any(compare(first, other) is not None for other in others)


def placed(tree: MegatronTree, tp_rank: int, pp_rank: int, name: str) -> str:
    """A tensor's name with the folder of its rank: "mp_rank_00_001/model/…"."""
    return f"{os.path.basename(os.path.dirname(tree.folder.ranks[tp_rank, pp_rank]))}/{name}"
