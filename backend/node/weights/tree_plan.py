"""What the file of every rank of a Megatron tree holds: names, shapes and bytes, without any data."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from backend.node.weights.arrays import Planned
from backend.node.weights.families import mapping
from backend.node.weights.layout import Layout, check_division, chunks, share
from backend.node.weights.model import Model
from backend.node.weights.tree_formats import FORMATS


class Entry(NamedTuple):
    """What a tensor of a rank is: a name of mapping.PARTS (the last stage's copy of a tied embedding is an
    "embedding"), the layer's number in the whole model (None outside layers), and its rank."""

    part: str
    layer: Optional[int]
    tp_rank: int


class RankPlan(NamedTuple):
    """`content`: the model as it lies in the file, {"model": …} or {"model0": …, "model1": …}: nested dicts
    with Planned leaves, and None for the extra states. `entries`: by Planned.key, which is the path of the
    tensor in the file ("model/decoder.layers.0.…"), in the order of the file. `nbytes`: of the tensors."""

    content: Dict[str, Any]
    entries: Dict[str, Entry]
    nbytes: int

    @property
    def tensors(self) -> List[Planned]:
        return list(leaves(self.content))


class TreeSize(NamedTuple):
    """`ranks`: (tp_rank, pp_rank) to its plan's tensor count and bytes. `parameters`: of the model, counted
    from the plan: every weight once, without padding."""

    ranks: Dict[Tuple[int, int], Tuple[int, int]]
    parameters: int

    @property
    def nbytes(self) -> int:
        return sum(size for _count, size in self.ranks.values())


def plan_rank(
    model: Model, layout: Layout, tree_format: str, dtype: str, padded_vocab: int, tp_rank: int, pp_rank: int
) -> RankPlan:
    """The plan of one rank's file. `tree_format`: "mcore" or "legacy"; `dtype`: a key of arrays.STORAGE.

    Raises JobError when the layout cannot hold the model."""
    check_division(model, layout.tp)
    return _Planner(model, layout, tree_format, dtype, padded_vocab, tp_rank, pp_rank).plan()


def plan_tree(model: Model, layout: Layout, tree_format: str, dtype: str, padded_vocab: int) -> TreeSize:
    """Sizes of all ranks. Raises JobError when the layout cannot hold the model."""
    ranks: Dict[Tuple[int, int], Tuple[int, int]] = {}
    parameters = 0
    seen: Set[Entry] = set()
    for pp_rank in range(layout.pp):
        for tp_rank in range(layout.tp):
            plan = plan_rank(model, layout, tree_format, dtype, padded_vocab, tp_rank, pp_rank)
            ranks[tp_rank, pp_rank] = len(plan.entries), plan.nbytes
            parameters += _new_parameters(plan, model, layout, padded_vocab, seen)
    return TreeSize(ranks, parameters)


def file_content(plan: RankPlan, args: Dict[str, Any], iteration: int) -> Dict[str, Any]:
    """All of a rank's file; `args` become attributes of a Namespace, as loaders want them."""
    from argparse import Namespace

    return {
        "args": Namespace(**args),
        "checkpoint_version": 3.0,
        "iteration": iteration,
        **plan.content,
        "num_floating_point_operations_so_far": 0,
    }


def leaves(content: Any) -> Iterator[Planned]:
    """Every Planned of nested dicts, in their order."""
    if isinstance(content, Planned):
        yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from leaves(value)


class _Planner:
    def __init__(
        self,
        model: Model,
        layout: Layout,
        tree_format: str,
        dtype: str,
        padded_vocab: int,
        tp_rank: int,
        pp_rank: int,
    ) -> None:
        self._model = model
        self._layout = layout
        self._format = FORMATS[tree_format]
        self._dtype = dtype
        self._padded_vocab = padded_vocab
        self._tp_rank = tp_rank
        self._pp_rank = pp_rank
        self._entries: Dict[str, Entry] = {}
        self._nbytes = 0
        # part -> its shape on this rank: the same in all layers
        self._shapes: Dict[str, Tuple[int, ...]] = {}
        self._top = ""
        self._chunk: Dict[str, Any] = {}

    def plan(self) -> RankPlan:
        content: Dict[str, Any] = {}
        groups = chunks(self._layout, self._pp_rank)
        is_last_stage = self._pp_rank == self._layout.pp - 1
        for number, layers in enumerate(groups):
            self._top = "model" if len(groups) == 1 else f"model{number}"
            self._chunk = content[self._top] = OrderedDict()
            if self._pp_rank == 0 and number == 0:
                self._put("embedding", self._format.names["embedding"])
            for local, layer in enumerate(layers):
                self._put_layer(local, layer)
            if is_last_stage and number == len(groups) - 1:
                self._put("final_norm", self._format.names["final_norm"])
                self._put_head()
        return RankPlan(content, self._entries, self._nbytes)

    def _put_layer(self, local: int, layer: int) -> None:
        for part in self._model.layer_parts:
            self._put(part, self._format.names[part].format(layer=local), layer)
            state = self._format.states.get(part)
            # A weight's state comes after its bias.
            if state is not None and not (part == "qkv" and self._model.qkv_bias):
                self._set(state.format(layer=local), None)
            elif part == "qkv_bias":
                self._set(self._format.states["qkv"].format(layer=local), None)

    def _put_head(self) -> None:
        tied = self._model.tie_embeddings
        if not tied:
            self._put("head", self._format.names["head"])
        elif self._layout.pp > 1:
            # On one stage the head is the embedding itself; on several the last one holds a copy.
            self._put("embedding", self._format.tied_head)
        if not tied or self._format.tied_head_state:
            self._set(self._format.states["head"], None)

    def _put(self, part: str, path: str, layer: Optional[int] = None) -> None:
        key = f"{self._top}/{path}"
        planned = Planned(key, self._shape(part), self._dtype)
        self._set(path, planned)
        self._entries[key] = Entry(part, layer, self._tp_rank)
        self._nbytes += planned.nbytes

    def _set(self, path: str, value: Optional[Planned]) -> None:
        levels = path.split("/")
        inner = self._chunk
        for level in levels[:-1]:
            inner = inner.setdefault(level, OrderedDict())
        inner[levels[-1]] = value

    def _shape(self, part: str) -> Tuple[int, ...]:
        if part not in self._shapes:
            self._shapes[part] = self._rank_shape(part)
        return self._shapes[part]

    def _rank_shape(self, part: str) -> Tuple[int, ...]:
        cut, words = mapping.PARTS[part]
        full = [self._model.size(word) for word in words]
        if cut == mapping.COLUMNS:
            full[1] //= self._layout.tp
        elif cut == mapping.VOCABULARY:
            start, stop = share(self._padded_vocab, self._layout.tp, self._tp_rank)
            full[0] = stop - start
        elif cut != mapping.COPY:
            full[0] //= self._layout.tp
        return tuple(full)


def _new_parameters(plan: RankPlan, model: Model, layout: Layout, padded_vocab: int, seen: Set[Entry]) -> int:
    """Weights of a rank that are not in `seen` yet, without the padding of the vocabulary."""
    total = 0
    for planned in plan.tensors:
        entry = plan.entries[planned.key]
        cut = mapping.PARTS[entry.part].cut
        once = entry._replace(tp_rank=0) if cut == mapping.COPY else entry
        if once in seen:
            continue
        seen.add(once)
        rows = planned.shape[0]
        if cut == mapping.VOCABULARY:
            start, stop = share(padded_vocab, layout.tp, entry.tp_rank)
            rows = max(min(stop, model.vocab) - start, 0)
        total += rows * (planned.shape[1] if len(planned.shape) > 1 else 1)
    return total
