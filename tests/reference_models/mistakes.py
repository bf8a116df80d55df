"""Ways to convert a model wrongly: what a check by logits has to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Config = Mapping[str, Any]
Weights = dict[str, Tensor]
# Row numbers of the packed q, k, v tensor: q [heads, width], k and v [groups, width].
Rows = tuple[Tensor, Tensor, Tensor]


def swap_gate_and_up(config: Config, weights: Weights) -> Weights:
    """In the first layer."""
    if config["model_type"] == "chatglm":
        name = "transformer.encoder.layers.0.mlp.dense_h_to_4h.weight"
        gate, up = weights[name].chunk(2)
        return {**weights, name: torch.cat([up, gate])}
    qwen = ("transformer.h.0.mlp.w1.weight", "transformer.h.0.mlp.w2.weight")
    baichuan = ("model.layers.0.mlp.gate_proj.weight", "model.layers.0.mlp.up_proj.weight")
    one, other = qwen if config["model_type"] == "qwen" else baichuan
    return {**weights, one: weights[other], other: weights[one]}


def misplace_rows(config: Config, weights: Weights, moved: Callable[[Rows], Tensor], kind: str) -> Weights:
    """Rows of q, k, v of the first layer taken in the order `moved`; `kind` is weight, bias or both."""
    prefixes = {
        "qwen": "transformer.h.0.attn.c_attn.",
        "chatglm": "transformer.encoder.layers.0.self_attention.query_key_value.",
        "baichuan": "model.layers.0.self_attn.W_pack.",
    }
    prefix = prefixes[config["model_type"]]
    order = moved(_rows(config)).flatten()
    wanted = ("weight", "bias") if kind == "both" else (kind,)
    names = [prefix + one for one in wanted if prefix + one in weights]
    return {**weights, **{name: weights[name][order] for name in names}}


def _rows(config: Config) -> Rows:
    heads = config["num_attention_heads"]
    groups = config.get("multi_query_group_num", heads)
    width = config.get("kv_channels", config["hidden_size"] // heads)
    blocks = torch.arange((heads + 2 * groups) * width).reshape(-1, width)
    q, k, v = torch.split(blocks, [heads, groups, groups])
    return q, k, v


def keys_for_values(rows: Rows) -> Tensor:
    q, k, v = rows
    return torch.cat([q, v, k])


def two_query_heads_exchanged(rows: Rows) -> Tensor:
    q, k, v = rows
    return torch.cat([q[[1, 0, *range(2, len(q))]], k, v])


def two_key_groups_exchanged(rows: Rows) -> Tensor:
    q, k, v = rows
    return torch.cat([q, k[[1, 0, *range(2, len(k))]], v])


def two_value_groups_exchanged(rows: Rows) -> Tensor:
    q, k, v = rows
    return torch.cat([q, k, v[[1, 0, *range(2, len(v))]]])


def left_as_megatron_has_them(rows: Rows) -> Tensor:
    """Per group: its query heads, its key, its value."""
    q, k, v = rows
    queries = q.reshape(len(k), -1, q.shape[1])
    return torch.cat([queries, k[:, None], v[:, None]], dim=1)


def taken_from_megatron_twice(rows: Rows) -> Tensor:
    """The inverse of `left_as_megatron_has_them`, once too often."""
    return left_as_megatron_has_them(rows).flatten().argsort()


def halves_for_neighbours(rows: Rows) -> Tensor:
    """Rows of every q and k head as the other kind of rotary turn would want them."""
    q, k, v = rows
    return torch.cat([*(torch.cat([one[:, 0::2], one[:, 1::2]], dim=1) for one in (q, k)), v])


ROW_MISTAKES = {
    mistake.__name__: mistake
    for mistake in (
        keys_for_values,
        two_query_heads_exchanged,
        two_key_groups_exchanged,
        two_value_groups_exchanged,
        left_as_megatron_has_them,
        taken_from_megatron_twice,
    )
}
