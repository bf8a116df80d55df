"""Names of a Megatron model's parts in its two tree formats; `{layer}` counts from 0 on every pipeline stage.

In the legacy format `/` is a level of nested dicts; mcore is flat.
"""

from __future__ import annotations

from typing import Dict, Iterable, NamedTuple, Optional

MCORE_LAYER = "decoder.layers.{layer}."
LEGACY_LAYER = "language_model/encoder/layers.{layer}."


class TreeFormat(NamedTuple):
    """`names`: part to key. `states`: part to the key of the empty extra state that Megatron keeps beside it.

    `tied_head`: where the last stage keeps its copy of a tied embedding; `tied_head_state`: whether the
    head's extra state is there for a tied head too."""

    names: Dict[str, str]
    states: Dict[str, str]
    tied_head: str
    tied_head_state: bool


def _state(key: str) -> str:
    return key[: -len("weight")] + "_extra_state"


def _format(names: Dict[str, str], tied_head: str, tied_head_state: bool) -> TreeFormat:
    with_state = ("qkv", "attention_out", "gate_up", "down", "head")
    return TreeFormat(names, {part: _state(names[part]) for part in with_state}, tied_head, tied_head_state)


FORMATS = {
    "mcore": _format(
        {
            "embedding": "embedding.word_embeddings.weight",
            "norm_1": MCORE_LAYER + "input_layernorm.weight",
            "qkv": MCORE_LAYER + "self_attention.linear_qkv.weight",
            "qkv_bias": MCORE_LAYER + "self_attention.linear_qkv.bias",
            "attention_out": MCORE_LAYER + "self_attention.linear_proj.weight",
            "norm_2": MCORE_LAYER + "pre_mlp_layernorm.weight",
            "gate_up": MCORE_LAYER + "mlp.linear_fc1.weight",
            "down": MCORE_LAYER + "mlp.linear_fc2.weight",
            "final_norm": "decoder.final_layernorm.weight",
            "head": "output_layer.weight",
        },
        tied_head="output_layer.weight",
        tied_head_state=True,
    ),
    "legacy": _format(
        {
            "embedding": "language_model/embedding/word_embeddings/weight",
            "norm_1": LEGACY_LAYER + "input_norm.weight",
            "qkv": LEGACY_LAYER + "self_attention.query_key_value.weight",
            "qkv_bias": LEGACY_LAYER + "self_attention.query_key_value.bias",
            "attention_out": LEGACY_LAYER + "self_attention.dense.weight",
            "norm_2": LEGACY_LAYER + "post_attention_norm.weight",
            "gate_up": LEGACY_LAYER + "mlp.dense_h_to_4h.weight",
            "down": LEGACY_LAYER + "mlp.dense_4h_to_h.weight",
            "final_norm": "language_model/encoder/final_norm.weight",
            "head": "language_model/output_layer/weight",
        },
        tied_head="word_embeddings_for_head/weight",
        tied_head_state=False,
    ),
}


def format_of(names: Iterable[str]) -> Optional[str]:
    """The format of a rank's file by the paths of its tensors ("model/decoder.layers.0.…"); None when they
    are of neither."""
    for name in names:
        top, _slash, rest = name.partition("/")
        if not top.startswith("model"):
            continue
        if rest.startswith(("language_model/", "word_embeddings_for_head/")):
            return "legacy"
        if rest.startswith(("decoder.", "embedding.", "output_layer.")):
            return "mcore"
    return None
