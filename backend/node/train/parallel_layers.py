"""Tensor parallel layers over plain local tensors: each rank holds exactly the shard of its checkpoint file.

`group` is None where there is one tensor parallel rank: then nothing is communicated.
"""

from __future__ import annotations

from typing import Any, Optional, Tuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

Group = Optional[dist.ProcessGroup]


def empty_parameter(*shape: int) -> nn.Parameter:
    """A parameter without memory: the flat buffers give it a place, the checkpoint its values."""
    return nn.Parameter(torch.empty(shape, device="meta"))


class _CopyToGroup(torch.autograd.Function):
    """Forward: the same tensor on all ranks. Backward: their gradients added up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tuple[Tensor, None]:
        # Autograd may hand the same tensor to others as well: it is not ours to add into.
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=ctx.group)
        return total, None


class _AddOverGroup(torch.autograd.Function):
    """Forward: the ranks' partial results added up. Backward: the gradient as it is."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tuple[Tensor, None]:
        return gradient, None


def copy_to_group(x: Tensor, group: Group) -> Tensor:
    copied: Tensor = x if group is None else _CopyToGroup.apply(x, group)
    return copied


def add_over_group(x: Tensor, group: Group) -> Tensor:
    added: Tensor = x if group is None else _AddOverGroup.apply(x, group)
    return added


class ColumnParallelLinear(nn.Module):
    """Rows of the weight are split: [..., inputs] -> [..., local outputs]."""

    def __init__(self, inputs: int, local_outputs: int, group: Group, bias: bool = False) -> None:
        super().__init__()
        self.group = group
        self.weight = empty_parameter(local_outputs, inputs)
        self.bias = empty_parameter(local_outputs) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.enter(x), self.weight, self.bias)

    def enter(self, x: Tensor) -> Tensor:
        """The input as every rank's rows take it; backward adds up what all of them send back."""
        return copy_to_group(x, self.group)


class RowParallelLinear(nn.Module):
    """Columns of the weight are split: [..., local inputs] -> [..., outputs], whole on every rank."""

    def __init__(self, local_inputs: int, outputs: int, group: Group) -> None:
        super().__init__()
        self.group = group
        self.weight = empty_parameter(outputs, local_inputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(F.linear(x, self.weight))

    def leave(self, partial: Tensor) -> Tensor:
        """The output from the partial results of the ranks' columns."""
        return add_over_group(partial, self.group)


class VocabParallelEmbedding(nn.Module):
    """Rows of the table are split; this rank holds `local_rows` tokens from `first_row` on."""

    def __init__(self, local_rows: int, width: int, first_row: int, group: Group) -> None:
        super().__init__()
        self.group = group
        self.first_row = first_row
        self.weight = empty_parameter(local_rows, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """int64 [batch, seq] -> [batch, seq, width]; a token of another rank adds zero here."""
        if self.group is None:
            return F.embedding(tokens, self.weight)
        local = tokens - self.first_row
        elsewhere = (local < 0) | (local >= self.weight.shape[0])
        rows = F.embedding(local.masked_fill(elsewhere, 0), self.weight)
        return add_over_group(rows.masked_fill(elsewhere[..., None], 0), self.group)
