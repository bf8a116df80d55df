"""The dimensions of a decoder, as far as its weights depend on them."""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional

from backend.node.weights.families.all_families import FAMILIES
from backend.node.weights.families.mapping import LAYER_PARTS, PARTS, Family, Part

# Names of dtypes in config.json -> keys of arrays.STORAGE.
DTYPES: Dict[str, str] = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
HF_NAMES: Dict[str, str] = {key: name for name, key in DTYPES.items()}


class Model(NamedTuple):
    """Widths are those of one head and one gate; the first fields are those of a job's `architecture`.

    `family` is "" for a model that was read from a Megatron tree, which does not say it. `hf_dtype` is "" or
    a name of DTYPES. `rotary_percent` is the turned part of a head; `rope_ratio` a factor in `rope_theta`,
    `rope_scaling` what its config says of further scaling, as JSON ("" when nothing).
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
    tie_embeddings: bool
    qkv_bias: bool
    hf_dtype: str
    rotary_percent: float = 1.0
    rope_ratio: float = 1.0
    rope_scaling: str = ""

    @property
    def dtype(self) -> Optional[str]:
        """The model's own dtype as a key of arrays.STORAGE; None where its config does not say."""
        return DTYPES.get(self.hf_dtype)

    @property
    def table(self) -> Family:
        """The mapping of the family. Raises KeyError for a model without one."""
        return FAMILIES[self.family]

    def part(self, name: str) -> Part:
        """The part with this name, with its Hugging Face sources. Raises KeyError."""
        table = self.table
        outside = (table.embedding, table.final_norm, table.head)
        return next(part for part in (*table.layer, *table.layer_bias, *outside) if part.name == name)

    def size(self, word: str) -> int:
        """A word of mapping.Source's shape as a number."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "hidden": self.hidden,
            "q": queries,
            "kv": keys,
            "qkv": queries + 2 * keys,
            "ffn": self.ffn,
            "gate_up": 2 * self.ffn,
            "vocab": self.vocab,
            "rotary": int(self.head_dim * self.rotary_percent) // 2,
        }[word]

    @property
    def layer_parts(self) -> Dict[str, str]:
        """Parts of a layer of this model, in the order of a file, with their cuts."""
        return {name: shape.cut for name, shape in LAYER_PARTS.items() if self.qkv_bias or name != "qkv_bias"}

    @property
    def parameters(self) -> int:
        """All weights: a tied head counts once, the padding of the vocabulary not at all."""
        outside = ["embedding", "final_norm"] + ([] if self.tie_embeddings else ["head"])
        return self.layers * sum(map(self._count, self.layer_parts)) + sum(map(self._count, outside))

    def _count(self, part: str) -> int:
        count = 1
        for word in PARTS[part].shape:
            count *= self.size(word)
        return count
