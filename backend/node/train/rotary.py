"""The rotary embedding: pairs of a head's elements turned by their position."""

from __future__ import annotations

from typing import Any, NamedTuple, Tuple

import torch
from torch import Tensor


class Rotation(NamedTuple):
    """`sin`: [seq, 1, 1, pairs]. Pair i is elements i and i + pairs of a head, or 2i and 2i + 1 where
    `neighbours`; elements after the pairs stay as they are. `cos`: [seq, 1, 1, head_dim], for each element
    that of its pair, or 1."""

    cos: Tensor
    sin: Tensor
    neighbours: bool


def make_rotation(
    length: int,
    head_dim: int,
    turned: int,
    theta: float,
    neighbours: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> Rotation:
    """Angles position / theta^(2i / turned), computed in fp32. `turned`: elements of a head, even."""
    places = torch.arange(length, dtype=torch.float32, device=device)
    exponents = torch.arange(0, turned, 2, dtype=torch.float32, device=device) / turned
    angles = torch.outer(places, 1.0 / theta**exponents)[:, None, None, :]
    cos = torch.ones(length, 1, 1, head_dim, dtype=dtype, device=device)
    for half in _pairs(cos, turned // 2, neighbours):
        half.copy_(angles.cos())
    return Rotation(cos, angles.sin().to(dtype), neighbours)


def turn(x: Tensor, rotation: Rotation) -> Tensor:
    """Queries or keys [batch, seq, groups, heads, head_dim] of any strides -> the same, contiguous."""
    turned: Tensor = _Turn.apply(x, *rotation)
    return turned


class _Turn(torch.autograd.Function):
    """Written out, so that nothing is kept for the backward pass: that turns the other way."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor, neighbours: bool) -> Tensor:
        ctx.rotation = cos, sin, neighbours
        return _turned(x, cos, sin, neighbours, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tuple[Tensor, None, None, None]:
        cos, sin, neighbours = ctx.rotation
        return _turned(gradient, cos, sin, neighbours, -1), None, None, None


def _turned(x: Tensor, cos: Tensor, sin: Tensor, neighbours: bool, direction: int) -> Tensor:
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    torch.mul(x, cos, out=out)
    first, second = _pairs(x, sin.shape[-1], neighbours)
    out_first, out_second = _pairs(out, sin.shape[-1], neighbours)
    out_first.addcmul_(second, sin, value=-direction)
    out_second.addcmul_(first, sin, value=direction)
    return out


def _pairs(x: Tensor, pairs: int, neighbours: bool) -> Tuple[Tensor, Tensor]:
    if neighbours:
        return x[..., 0 : 2 * pairs : 2], x[..., 1 : 2 * pairs : 2]
    return x[..., :pairs], x[..., pairs : 2 * pairs]
