"""Llama 2, Llama 3, Yi, Qwen 1.5 and Qwen 2: the same names, Qwen with biases on q, k and v."""

from __future__ import annotations

from backend.node.weights.families.mapping import (
    COLUMNS,
    COPY,
    GATE_UP,
    QKV,
    VOCABULARY,
    Family,
    Part,
    Source,
)

_LAYER = "model.layers.{layer}."
_ATTENTION = _LAYER + "self_attn."
_MLP = _LAYER + "mlp."

LLAMA = Family(
    layer=(
        Part("norm_1", COPY, (Source(_LAYER + "input_layernorm.weight", ("hidden",)),)),
        Part("attention_out", COLUMNS, (Source(_ATTENTION + "o_proj.weight", ("hidden", "q")),)),
        Part(
            "qkv",
            QKV,
            (
                Source(_ATTENTION + "q_proj.weight", ("q", "hidden")),
                Source(_ATTENTION + "k_proj.weight", ("kv", "hidden")),
                Source(_ATTENTION + "v_proj.weight", ("kv", "hidden")),
            ),
        ),
        Part("norm_2", COPY, (Source(_LAYER + "post_attention_layernorm.weight", ("hidden",)),)),
        Part(
            "gate_up",
            GATE_UP,
            (
                Source(_MLP + "gate_proj.weight", ("ffn", "hidden")),
                Source(_MLP + "up_proj.weight", ("ffn", "hidden")),
            ),
        ),
        Part("down", COLUMNS, (Source(_MLP + "down_proj.weight", ("hidden", "ffn")),)),
    ),
    layer_bias=(
        Part(
            "qkv_bias",
            QKV,
            (
                Source(_ATTENTION + "q_proj.bias", ("q",)),
                Source(_ATTENTION + "k_proj.bias", ("kv",)),
                Source(_ATTENTION + "v_proj.bias", ("kv",)),
            ),
        ),
    ),
    embedding=Part("embedding", VOCABULARY, (Source("model.embed_tokens.weight", ("vocab", "hidden")),)),
    final_norm=Part("final_norm", COPY, (Source("model.norm.weight", ("hidden",)),)),
    head=Part("head", VOCABULARY, (Source("lm_head.weight", ("vocab", "hidden")),)),
    ignored=("rotary_emb.inv_freq",),
)
