"""The words in which a family says where its weights go: parts of a Megatron model, their sources and
cuts."""

from __future__ import annotations

from typing import Dict, NamedTuple, Tuple

# How a part is cut for tensor parallelism.
COPY = "copy"
COLUMNS = "columns"
QKV = "qkv"  # sources q, k, v or one [q;k;v]: heads of a group together, groups spread over the ranks
GATE_UP = "gate_up"  # sources gate, up or one [gate;up]: a rank's piece of gate above its piece of up
VOCABULARY = "vocabulary"  # rows, padded with copies of the last one


class PartShape(NamedTuple):
    """How Megatron holds a part: its cut, and the shape of all ranks together in words (see Source)."""

    cut: str
    shape: Tuple[str, ...]


# The parts of every decoder, whatever its family: those of a layer in the order of a file, then the others.
LAYER_PARTS: Dict[str, PartShape] = {
    "norm_1": PartShape(COPY, ("hidden",)),
    "attention_out": PartShape(COLUMNS, ("hidden", "q")),
    "qkv": PartShape(QKV, ("qkv", "hidden")),
    "qkv_bias": PartShape(QKV, ("qkv",)),
    "norm_2": PartShape(COPY, ("hidden",)),
    "gate_up": PartShape(GATE_UP, ("gate_up", "hidden")),
    "down": PartShape(COLUMNS, ("hidden", "ffn")),
}
PARTS: Dict[str, PartShape] = {
    **LAYER_PARTS,
    "embedding": PartShape(VOCABULARY, ("vocab", "hidden")),
    "final_norm": PartShape(COPY, ("hidden",)),
    "head": PartShape(VOCABULARY, ("vocab", "hidden")),
}


class Source(NamedTuple):
    """A tensor of the Hugging Face model. `{layer}` in its name is the layer's number.

    `shape` is in words: hidden, q (heads x head width), kv (kv heads x head width), ffn, vocab, and of packed
    tensors qkv (q + 2 kv) and gate_up (2 ffn); rotary is the length of a rotary buffer.
    """

    name: str
    shape: Tuple[str, ...]


class Part(NamedTuple):
    """A tensor of the Megatron model; `name` is a name of PARTS and of the tables in `tree_formats`."""

    name: str
    cut: str
    sources: Tuple[Source, ...]


class Family(NamedTuple):
    """Parts of every layer, the further ones of models with biases on q, k and v, and those outside layers.

    `ignored` are endings of tensor names that carry nothing to convert; `buffers` are tensors among the
    weights that no training changes: Megatron does not keep them, and they go back as they were.

    What else training must know: `turns_neighbours`: the rotary embedding turns element 2i of a head with
    2i + 1 (else i with i + half of what is turned). `unit_head`: every row of the head is brought to length 1
    when it is used. `has_alibi`: models without a rotary embedding (rope_theta 0) have linear biases on the
    scores.
    """

    layer: Tuple[Part, ...]
    layer_bias: Tuple[Part, ...]
    embedding: Part
    final_norm: Part
    head: Part
    ignored: Tuple[str, ...]
    buffers: Tuple[Source, ...] = ()
    turns_neighbours: bool = False
    unit_head: bool = False
    has_alibi: bool = False
