"""What the Hugging Face weights of a model hold: names, shapes and where each tensor comes from."""

from __future__ import annotations

from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from backend.node.weights.arrays import Planned
from backend.node.weights.families.mapping import Part, Source
from backend.node.weights.model import Model


class HfEntry(NamedTuple):
    """Source `number` (from 0) of the `sources` of a part, as tensor_cuts.source counts them; `layer` is None
    outside layers."""

    part: str
    layer: Optional[int]
    number: int
    sources: int


class HfPlan(NamedTuple):
    """`tensors`: those that a Megatron tree decides, in the order of its stages and layers; `entries`: by
    their name, which is Planned.key. `buffers`: those that it does not hold."""

    tensors: List[Planned]
    entries: Dict[str, HfEntry]
    buffers: List[Planned]

    @property
    def nbytes(self) -> int:
        return sum(planned.nbytes for planned in self.tensors + self.buffers)


def plan_hf(model: Model, dtype: str) -> HfPlan:
    """`dtype`: a key of arrays.STORAGE. A tied head is not written."""
    tensors: List[Planned] = []
    entries: Dict[str, HfEntry] = {}
    for part, layer in parts(model):
        for number, source in enumerate(part.sources):
            name = source.name.format(layer=layer)
            tensors.append(Planned(name, shape_of(model, source), dtype))
            entries[name] = HfEntry(part.name, layer, number, len(part.sources))
    buffers = [Planned(source.name, shape_of(model, source), dtype) for source in model.table.buffers]
    return HfPlan(tensors, entries, buffers)


def parts(model: Model) -> Iterator[Tuple[Part, Optional[int]]]:
    """Every part of the model that has Hugging Face tensors of its own, with its layer."""
    table = model.table
    yield table.embedding, None
    in_layer = table.layer + (table.layer_bias if model.qkv_bias else ())
    for layer in range(model.layers):
        for part in in_layer:
            yield part, layer
    yield table.final_norm, None
    if not model.tie_embeddings:
        yield table.head, None


def source_names(model: Model, part: str, layer: Optional[int]) -> List[str]:
    """The Hugging Face tensors that a part of a layer is made of, in the order of tensor_cuts.piece."""
    return [source.name.format(layer=layer) for source in model.part(part).sources]


def shape_of(model: Model, source: Source) -> Tuple[int, ...]:
    return tuple(model.size(word) for word in source.shape)
