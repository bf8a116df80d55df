"""What the plain decoders share: norm, rotary turns, causal attention and the gated unit, in the weights'
dtype."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """`x` [..., hidden] over the root of its mean square, times `weight` [hidden]."""
    return weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps))


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[batch, seq, heads * width] as [batch, heads, seq, width]."""
    return x.reshape(*x.shape[:-1], heads, -1).transpose(1, 2)


def rotary_table(length: int, dims: int, base: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine, each [length, dims / 2], of position * base^(-2i / dims)."""
    frequencies = 1.0 / base ** (torch.arange(0, dims, 2, dtype=dtype) / dims)
    angles = torch.outer(torch.arange(length, dtype=dtype), frequencies)
    return angles.cos(), angles.sin()


def turn_halves(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """`x` [..., seq, dims] with element i turned together with element i + dims / 2."""
    cos, sin = table
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def turn_neighbours(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """`x` [..., seq, dims] with element 2i turned together with element 2i + 1."""
    cos, sin = table
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(-2)


def causal_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Softmax attention to no later position; returns [batch, seq, heads * width].

    `q` is [batch, heads, seq, width]; `k`, `v` [batch, groups, seq, width] serve heads / groups neighbouring
    heads each; `bias` [heads, seq, seq] is added to the scaled scores.
    """
    heads_per_group = q.shape[1] // k.shape[1]
    k, v = (one.repeat_interleave(heads_per_group, dim=1) for one in (k, v))
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if bias is not None:
        scores = scores + bias
    later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    probabilities = scores.masked_fill(later, -math.inf).softmax(-1)
    return (probabilities @ v).transpose(1, 2).flatten(-2)


def gated(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) * up."""
    return functional.silu(gate) * up
