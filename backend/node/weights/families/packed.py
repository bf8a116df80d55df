"""Families with q, k and v in one tensor, three plain blocks above each other: Qwen (v1) and Baichuan 2."""

from __future__ import annotations

from backend.node.weights.families.llama import LLAMA
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

_QWEN = "transformer.h.{layer}."

QWEN = Family(
    layer=(
        Part("norm_1", COPY, (Source(_QWEN + "ln_1.weight", ("hidden",)),)),
        Part("attention_out", COLUMNS, (Source(_QWEN + "attn.c_proj.weight", ("hidden", "q")),)),
        Part("qkv", QKV, (Source(_QWEN + "attn.c_attn.weight", ("qkv", "hidden")),)),
        Part("norm_2", COPY, (Source(_QWEN + "ln_2.weight", ("hidden",)),)),
        # The model multiplies w1(x) with silu(w2(x)): w2 is the gate.
        Part(
            "gate_up",
            GATE_UP,
            (
                Source(_QWEN + "mlp.w2.weight", ("ffn", "hidden")),
                Source(_QWEN + "mlp.w1.weight", ("ffn", "hidden")),
            ),
        ),
        Part("down", COLUMNS, (Source(_QWEN + "mlp.c_proj.weight", ("hidden", "ffn")),)),
    ),
    layer_bias=(Part("qkv_bias", QKV, (Source(_QWEN + "attn.c_attn.bias", ("qkv",)),)),),
    embedding=Part("embedding", VOCABULARY, (Source("transformer.wte.weight", ("vocab", "hidden")),)),
    final_norm=Part("final_norm", COPY, (Source("transformer.ln_f.weight", ("hidden",)),)),
    head=Part("head", VOCABULARY, (Source("lm_head.weight", ("vocab", "hidden")),)),
    ignored=("rotary_emb.inv_freq",),
)

_W_PACK = Part("qkv", QKV, (Source("model.layers.{layer}.self_attn.W_pack.weight", ("qkv", "hidden")),))

# The head of Baichuan 2 is normalised when it is used: what is stored goes over as it is.
BAICHUAN = LLAMA._replace(
    layer=tuple(_W_PACK if part.name == "qkv" else part for part in LLAMA.layer),
    layer_bias=(),
    unit_head=True,
    has_alibi=True,
)
