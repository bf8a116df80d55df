"""Causal attention with grouped queries."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from backend.node.train.parallel_layers import ColumnParallelLinear, RowParallelLinear
from backend.node.train.positions import Places
from backend.node.train.rotary import turn
from backend.node.train.tensor_group import TensorRanks
from backend.node.weights.model import Model


class Attention(nn.Module):
    """linear_qkv has per key group its queries, its key, its value; a rank holds whole groups."""

    def __init__(self, shape: Model, ranks: TensorRanks) -> None:
        super().__init__()
        self.head_dim = shape.head_dim
        self.groups = shape.kv_heads // ranks.size
        self.queries = shape.heads // shape.kv_heads
        inner = self.groups * self.queries * self.head_dim
        rows = self.groups * (self.queries + 2) * self.head_dim
        self.linear_qkv = ColumnParallelLinear(shape.hidden, rows, ranks, bias=shape.qkv_bias)
        self.linear_proj = RowParallelLinear(inner, shape.hidden, ranks)

    def forward(self, x: Tensor, places: Places) -> Tensor:
        mixed = self.linear_qkv(x)
        batch, seq, _rows = mixed.shape
        mixed = mixed.view(batch, seq, self.groups, self.queries + 2, self.head_dim)
        queries, keys, values = mixed.split((self.queries, 1, 1), 3)
        if places.rotation is not None:
            queries, keys = turn(queries, places.rotation), turn(keys, places.rotation)
        seen = F.scaled_dot_product_attention(
            _heads_first(queries),
            _heads_first(keys),
            _heads_first(values),
            attn_mask=places.bias,
            is_causal=places.bias is None,
            enable_gqa=self.queries > 1,
        )
        return self.linear_proj(seen.transpose(1, 2).reshape(batch, seq, -1))


def _heads_first(x: Tensor) -> Tensor:
    """[batch, seq, groups, heads of a group, head_dim] -> [batch, heads, seq, head_dim]."""
    return x.flatten(2, 3).transpose(1, 2)
