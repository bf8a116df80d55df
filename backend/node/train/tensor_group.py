"""What tensor parallel ranks exchange within one forward and backward pass.

`group` is None where there is one rank: then nothing is communicated.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Tuple

import torch
import torch.distributed as dist
from torch import Tensor

Group = Optional[dist.ProcessGroup]
_SEQUENCE = 1  # the dimension that is split in sequence parallel: [batch, seq, ...]


class TensorRanks(NamedTuple):
    """This rank among its `size` tensor parallel ranks.

    With `splits_sequence` (sequence parallel) each holds its own places of what lies between the layers,
    [batch, seq / size, ...], otherwise all of it.
    """

    rank: int
    size: int
    group: Group
    splits_sequence: bool = False

    def enter(self, x: Tensor) -> Tensor:
        """What lies between layers -> the input of a column parallel product, whole on every rank."""
        return join_sequence(x, self.group) if self.splits_sequence else copy_to_group(x, self.group)

    def leave(self, x: Tensor) -> Tensor:
        """The ranks' partial results, which add up -> what lies between layers."""
        return (
            add_and_split_sequence(x, self.group) if self.splits_sequence else add_over_group(x, self.group)
        )

    def whole_length(self, x: Tensor) -> int:
        """Places of the sequence of which `x` [batch, places, ...] lies between layers."""
        return x.shape[_SEQUENCE] * (self.size if self.splits_sequence else 1)


class _CopyToGroup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tuple[Tensor, None]:
        return _sum(gradient, ctx.group), None


class _AddOverGroup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        # In place: autograd sees to it that nobody needs what was there.
        ctx.mark_dirty(x)
        dist.all_reduce(x, group=group)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tuple[Tensor, None]:
        return gradient, None


class _JoinSequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return _joined(x, group)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tuple[Tensor, None]:
        return _sum_of_own_part(gradient, ctx.group), None


class _AddAndSplitSequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return _sum_of_own_part(x, group)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tuple[Tensor, None]:
        return _joined(gradient, ctx.group), None


def copy_to_group(x: Tensor, group: Group) -> Tensor:
    """Forward: the same tensor on all ranks. Backward: their gradients added up."""
    copied: Tensor = x if group is None else _CopyToGroup.apply(x, group)
    return copied


def add_over_group(x: Tensor, group: Group) -> Tensor:
    """Forward: the ranks' partial results added up, in the memory of `x`, which is contiguous. Backward: the
    gradient as it is."""
    added: Tensor = x if group is None else _AddOverGroup.apply(x, group)
    return added


def join_sequence(x: Tensor, group: Group) -> Tensor:
    """Forward: [batch, seq / ranks, ...] of each rank -> [batch, seq, ...] on all. Backward: gradients added
    up, each rank's own places of the sum."""
    joined: Tensor = x if group is None else _JoinSequence.apply(x, group)
    return joined


def add_and_split_sequence(x: Tensor, group: Group) -> Tensor:
    """Forward: partial results [batch, seq, ...] added up, each rank's own places [batch, seq / ranks, ...].
    Backward: the gradients of all places."""
    split: Tensor = x if group is None else _AddAndSplitSequence.apply(x, group)
    return split


def _sum(x: Tensor, group: Group) -> Tensor:
    # Autograd may hand the same tensor to others as well: it is not ours to add into.
    total = x.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total, group=group)
    return total


def _joined(x: Tensor, group: Group) -> Tensor:
    x = x.contiguous()
    parts = [torch.empty_like(x) for _rank in range(dist.get_world_size(group))]
    dist.all_gather(parts, x, group=group)
    return torch.cat(parts, _SEQUENCE)


def _sum_of_own_part(x: Tensor, group: Group) -> Tensor:
    ranks, own = dist.get_world_size(group), dist.get_rank(group)
    if dist.get_backend(group) == "gloo":
        # Older releases of gloo cannot reduce_scatter.
        return _sum(x, group).chunk(ranks, _SEQUENCE)[own].contiguous()
    parts = [part.contiguous() for part in x.chunk(ranks, _SEQUENCE)]
    total = torch.empty_like(parts[own])
    dist.reduce_scatter(total, parts, group=group)
    return total
