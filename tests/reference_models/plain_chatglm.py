"""ChatGLM 3 and GLM 4 (ChatGLMModel) as plain arithmetic on the published tensors; from their
modeling_chatglm.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from tests.reference_models.plain_parts import (
    causal_attention,
    gated,
    rms_norm,
    rotary_table,
    split_heads,
    turn_neighbours,
)

LAYERS = "transformer.encoder.layers."
ROTARY_BUFFER = "transformer.rotary_pos_emb.inv_freq"


def shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The published tensors by name, the rotary buffer (which `logits` does not read) among them."""
    hidden, vocab, ffn = config["hidden_size"], config["padded_vocab_size"], config["ffn_hidden_size"]
    q_width, kv_width = _widths(config)
    found: dict[str, tuple[int, ...]] = {
        "transformer.embedding.word_embeddings.weight": (vocab, hidden),
        ROTARY_BUFFER: (config["kv_channels"] // 4,),
    }
    for layer in range(config["num_layers"]):
        name = f"{LAYERS}{layer}."
        found |= {
            name + "input_layernorm.weight": (hidden,),
            name + "self_attention.query_key_value.weight": (q_width + 2 * kv_width, hidden),
            name + "self_attention.query_key_value.bias": (q_width + 2 * kv_width,),
            name + "self_attention.dense.weight": (hidden, q_width),
            name + "post_attention_layernorm.weight": (hidden,),
            name + "mlp.dense_h_to_4h.weight": (2 * ffn, hidden),
            name + "mlp.dense_4h_to_h.weight": (hidden, ffn),
        }
    return found | {
        "transformer.encoder.final_layernorm.weight": (hidden,),
        "transformer.output_layer.weight": (vocab, hidden),
    }


def logits(config: Mapping[str, Any], weights: Mapping[str, Tensor], ids: Tensor) -> Tensor:
    """`ids` [batch, seq] (int64) to [batch, seq, vocab] in the dtype of `weights`.

    The first half of every head is turned, neighbours together, with base 10000 * rope_ratio.
    `apply_query_key_layer_scaling` divides and multiplies by the same number: it changes no result.
    """
    eps = config["layernorm_epsilon"]
    x = weights["transformer.embedding.word_embeddings.weight"][ids]
    base = 10000.0 * config.get("rope_ratio", 1)
    table = rotary_table(ids.shape[1], config["kv_channels"] // 2, base, x.dtype)
    for layer in range(config["num_layers"]):
        name = f"{LAYERS}{layer}."
        normed = rms_norm(x, weights[name + "input_layernorm.weight"], eps)
        x = x + _attention(config, weights, name + "self_attention.", normed, table)
        normed = rms_norm(x, weights[name + "post_attention_layernorm.weight"], eps)
        gate, up = linear(normed, weights[name + "mlp.dense_h_to_4h.weight"]).chunk(2, dim=-1)
        x = x + linear(gated(gate, up), weights[name + "mlp.dense_4h_to_h.weight"])
    x = rms_norm(x, weights["transformer.encoder.final_layernorm.weight"], eps)
    return linear(x, weights["transformer.output_layer.weight"])


def _attention(
    config: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    name: str,
    x: Tensor,
    table: tuple[Tensor, Tensor],
) -> Tensor:
    q_width, kv_width = _widths(config)
    packed = linear(x, weights[name + "query_key_value.weight"], weights[name + "query_key_value.bias"])
    q, k, v = torch.split(packed, [q_width, kv_width, kv_width], dim=-1)
    groups = config["multi_query_group_num"]
    q = _turn_first_half(split_heads(q, config["num_attention_heads"]), table)
    k = _turn_first_half(split_heads(k, groups), table)
    return linear(causal_attention(q, k, split_heads(v, groups)), weights[name + "dense.weight"])


def _turn_first_half(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    turned, still = x.chunk(2, dim=-1)
    return torch.cat([turn_neighbours(turned, table), still], dim=-1)


def _widths(config: Mapping[str, Any]) -> tuple[int, int]:
    """Rows of q and of k or v. Without groups the published code packs another way: no such model exists."""
    if not config["multi_query_attention"]:
        raise ValueError("query_key_value is [q; k; v] with multi_query_attention only")
    width = config["kv_channels"]
    return config["num_attention_heads"] * width, config["multi_query_group_num"] * width
