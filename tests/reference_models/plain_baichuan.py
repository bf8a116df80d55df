"""Baichuan 2, 7B (rotary) and 13B (ALiBi), as plain arithmetic on the published tensors; from their
modeling_baichuan.py."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, normalize

from tests.reference_models.plain_parts import (
    causal_attention,
    gated,
    rms_norm,
    rotary_table,
    split_heads,
    turn_halves,
)

ROTARY_BASE = 10000.0  # fixed in the code of the 7B; its config does not say it


def shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The published tensors by name."""
    hidden, vocab, ffn = config["hidden_size"], config["vocab_size"], config["intermediate_size"]
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocab, hidden)}
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}."
        found |= {
            name + "input_layernorm.weight": (hidden,),
            name + "self_attn.W_pack.weight": (3 * hidden, hidden),
            name + "self_attn.o_proj.weight": (hidden, hidden),
            name + "post_attention_layernorm.weight": (hidden,),
            name + "mlp.gate_proj.weight": (ffn, hidden),
            name + "mlp.up_proj.weight": (ffn, hidden),
            name + "mlp.down_proj.weight": (hidden, ffn),
        }
    return found | {"model.norm.weight": (hidden,), "lm_head.weight": (vocab, hidden)}


def has_alibi(config: Mapping[str, Any]) -> bool:
    """Both sizes share class and model_type; only the rotary one has a table of positions to size."""
    return "max_position_embeddings" not in config


def alibi_slopes(heads: int) -> list[float]:
    """One slope a head: 2^(-8 i / n), i from 1, for a power of two n; the heads above the largest power
    of two take every other slope of twice as many heads, from the first."""
    if math.log2(heads).is_integer():
        return [2.0 ** (-8.0 * number / heads) for number in range(1, heads + 1)]
    whole = 2 ** math.floor(math.log2(heads))
    return alibi_slopes(whole) + alibi_slopes(2 * whole)[0::2][: heads - whole]


def alibi_bias(heads: int, length: int, dtype: torch.dtype) -> Tensor:
    """[heads, length, length]: minus slope times how far back the key is; softmax cancels what is the same
    for a whole row, so the published forms with absolute positions are equal to it."""
    positions = torch.arange(length, dtype=dtype)
    distance = positions[None, :] - positions[:, None]
    return torch.tensor(alibi_slopes(heads), dtype=dtype)[:, None, None] * distance


def logits(config: Mapping[str, Any], weights: Mapping[str, Tensor], ids: Tensor) -> Tensor:
    """`ids` [batch, seq] (int64) to [batch, seq, vocab] in the dtype of `weights`.

    The head is NormHead: every row of the stored matrix is brought to length 1 before use.
    """
    heads, eps = config["num_attention_heads"], config["rms_norm_eps"]
    x = weights["model.embed_tokens.weight"][ids]
    length = ids.shape[1]
    alibi = alibi_bias(heads, length, x.dtype) if has_alibi(config) else None
    table = rotary_table(length, config["hidden_size"] // heads, ROTARY_BASE, x.dtype)
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}."
        normed = rms_norm(x, weights[name + "input_layernorm.weight"], eps)
        packed = linear(normed, weights[name + "self_attn.W_pack.weight"])
        q, k, v = (split_heads(one, heads) for one in packed.chunk(3, dim=-1))
        if alibi is None:
            q, k = turn_halves(q, table), turn_halves(k, table)
        x = x + linear(causal_attention(q, k, v, alibi), weights[name + "self_attn.o_proj.weight"])
        normed = rms_norm(x, weights[name + "post_attention_layernorm.weight"], eps)
        gate = linear(normed, weights[name + "mlp.gate_proj.weight"])
        up = linear(normed, weights[name + "mlp.up_proj.weight"])
        x = x + linear(gated(gate, up), weights[name + "mlp.down_proj.weight"])
    x = rms_norm(x, weights["model.norm.weight"], eps)
    return linear(x, normalize(weights["lm_head.weight"], dim=-1))
