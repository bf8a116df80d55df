"""What a model is made of, as far as training needs to know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Architecture:
    """Dimensions of a decoder. `head_dim` and `ffn` are widths of one head and of one of gate/up.

    `hf_dtype` is the dtype of the published weights ("bfloat16", "float16").
    """

    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    rope_theta: float
    max_position: int
    norm_eps: float
    tie_embeddings: bool = False
    qkv_bias: bool = False
    hf_dtype: str = "bfloat16"


@dataclass(frozen=True, slots=True)
class Layout:
    """A row of the guide's table 2: the smallest layout recommended for a sequence length."""

    seq_len: int
    tp: int
    pp: int
    nodes: int
    npus_per_node: int


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the guide. `scripts` is its folder under scripts/, `size` the suffix of its 0_pl_*.sh.

    `parameters` is the total computed from the dimensions; `weights_url` where the guide gets the weights.
    """

    name: str
    architecture: Architecture
    parameters: int
    aliases: tuple[str, ...]
    scripts: str
    size: str
    weights_url: str
    layouts: tuple[Layout, ...]
    sources: tuple[str, ...]
