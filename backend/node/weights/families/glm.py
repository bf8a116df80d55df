"""ChatGLM 3 and GLM 4: q, k, v in one tensor, gate and up in one tensor, and a rotary buffer."""

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

_LAYER = "transformer.encoder.layers.{layer}."
_ATTENTION = _LAYER + "self_attention."
_NORM_2 = _LAYER + "post_attention_layernorm.weight"
_EMBEDDING = "transformer.embedding.word_embeddings.weight"

GLM = Family(
    layer=(
        Part("norm_1", COPY, (Source(_LAYER + "input_layernorm.weight", ("hidden",)),)),
        Part("attention_out", COLUMNS, (Source(_ATTENTION + "dense.weight", ("hidden", "q")),)),
        Part("qkv", QKV, (Source(_ATTENTION + "query_key_value.weight", ("qkv", "hidden")),)),
        Part("norm_2", COPY, (Source(_NORM_2, ("hidden",)),)),
        Part("gate_up", GATE_UP, (Source(_LAYER + "mlp.dense_h_to_4h.weight", ("gate_up", "hidden")),)),
        Part("down", COLUMNS, (Source(_LAYER + "mlp.dense_4h_to_h.weight", ("hidden", "ffn")),)),
    ),
    layer_bias=(Part("qkv_bias", QKV, (Source(_ATTENTION + "query_key_value.bias", ("qkv",)),)),),
    embedding=Part("embedding", VOCABULARY, (Source(_EMBEDDING, ("vocab", "hidden")),)),
    final_norm=Part("final_norm", COPY, (Source("transformer.encoder.final_layernorm.weight", ("hidden",)),)),
    head=Part("head", VOCABULARY, (Source("transformer.output_layer.weight", ("vocab", "hidden")),)),
    ignored=(),
    buffers=(Source("transformer.rotary_pos_emb.inv_freq", ("rotary",)),),
    turns_neighbours=True,
)
