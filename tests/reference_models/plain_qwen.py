"""Qwen (v1, QWenLMHeadModel) as plain arithmetic on the published tensors; from its modeling_qwen.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn.functional import linear

from tests.reference_models.plain_parts import (
    causal_attention,
    gated,
    rms_norm,
    rotary_table,
    split_heads,
    turn_halves,
)


def shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The published tensors by name. `intermediate_size` counts w1 and w2 together."""
    hidden, vocab = config["hidden_size"], config["vocab_size"]
    heads_width = config["kv_channels"] * config["num_attention_heads"]
    ffn = config["intermediate_size"] // 2
    found: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (vocab, hidden)}
    for layer in range(config["num_hidden_layers"]):
        name = f"transformer.h.{layer}."
        found |= {
            name + "ln_1.weight": (hidden,),
            name + "attn.c_attn.weight": (3 * heads_width, hidden),
            name + "attn.c_attn.bias": (3 * heads_width,),
            name + "attn.c_proj.weight": (heads_width, hidden),
            name + "ln_2.weight": (hidden,),
            name + "mlp.w1.weight": (ffn, hidden),
            name + "mlp.w2.weight": (ffn, hidden),
            name + "mlp.c_proj.weight": (hidden, ffn),
        }
    return found | {"transformer.ln_f.weight": (hidden,), "lm_head.weight": (vocab, hidden)}


def logits(config: Mapping[str, Any], weights: Mapping[str, Tensor], ids: Tensor) -> Tensor:
    """`ids` [batch, seq] (int64) to [batch, seq, vocab] in the dtype of `weights`.

    `use_dynamic_ntk` and `use_logn_attn` act above `seq_length` only: up to it both are without influence,
    and longer input raises ValueError.
    """
    if ids.shape[1] > config["seq_length"]:
        raise ValueError(f"{ids.shape[1]} tokens: above {config['seq_length']} positions are stretched")
    heads, eps = config["num_attention_heads"], config["layer_norm_epsilon"]
    x = weights["transformer.wte.weight"][ids]
    table = rotary_table(ids.shape[1], config["kv_channels"], config["rotary_emb_base"], x.dtype)
    for layer in range(config["num_hidden_layers"]):
        name = f"transformer.h.{layer}."
        normed = rms_norm(x, weights[name + "ln_1.weight"], eps)
        packed = linear(normed, weights[name + "attn.c_attn.weight"], weights[name + "attn.c_attn.bias"])
        q, k, v = (split_heads(one, heads) for one in packed.chunk(3, dim=-1))
        attended = causal_attention(turn_halves(q, table), turn_halves(k, table), v)
        x = x + linear(attended, weights[name + "attn.c_proj.weight"])
        normed = rms_norm(x, weights[name + "ln_2.weight"], eps)
        up = linear(normed, weights[name + "mlp.w1.weight"])
        gate = linear(normed, weights[name + "mlp.w2.weight"])
        x = x + linear(gated(gate, up), weights[name + "mlp.c_proj.weight"])
    return linear(rms_norm(x, weights["transformer.ln_f.weight"], eps), weights["lm_head.weight"])
