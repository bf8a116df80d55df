"""The words in which a family says where its weights go: parts of a Megatron model, their sources and
cuts."""

from __future__ import annotations

from typing import NamedTuple, Tuple

# How a part is cut for tensor parallelism.
COPY = "copy"
COLUMNS = "columns"
QKV = "qkv"  # sources q, k, v: heads of a group together, groups spread over the ranks
GATE_UP = "gate_up"  # sources gate, up: every rank holds its piece of gate above its piece of up
VOCABULARY = "vocabulary"  # rows, padded with copies of the last one


class Source(NamedTuple):
    """A tensor of the Hugging Face model. `{layer}` in its name is the layer's number.

    `shape` is in words: hidden, q (heads x head width), kv (kv heads x head width), ffn, vocab.
    """

    name: str
    shape: Tuple[str, ...]


class Part(NamedTuple):
    """A tensor of the Megatron model; `name` is a name of the tables in `tree_formats`."""

    name: str
    cut: str
    sources: Tuple[Source, ...]


class Family(NamedTuple):
    """Parts of every layer, the further ones of models with biases on q, k and v, and those outside layers.

    `ignored` are endings of tensor names that carry nothing to convert.
    """

    layer: Tuple[Part, ...]
    layer_bias: Tuple[Part, ...]
    embedding: Part
    final_norm: Part
    head: Part
    ignored: Tuple[str, ...]
