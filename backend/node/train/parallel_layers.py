"""Tensor parallel layers over plain local tensors: each rank holds exactly the shard of its checkpoint file.

With `splits_sequence` (sequence parallel) each rank holds its own places of what lies between the layers,
[batch, seq / ranks, ...], otherwise all of it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.node.train.tensor_group import (
    Group,
    add_and_split_sequence,
    add_over_group,
    copy_to_group,
    join_sequence,
)


def empty_parameter(*shape: int) -> nn.Parameter:
    """A parameter without memory: the flat buffers give it a place, the checkpoint its values."""
    return nn.Parameter(torch.empty(shape, device="meta"))


def enter(x: Tensor, group: Group, splits_sequence: bool) -> Tensor:
    """What lies between layers -> the input of a column parallel product, whole on every rank."""
    return join_sequence(x, group) if splits_sequence else copy_to_group(x, group)


def leave(x: Tensor, group: Group, splits_sequence: bool) -> Tensor:
    """The ranks' partial results, which add up -> what lies between layers."""
    return add_and_split_sequence(x, group) if splits_sequence else add_over_group(x, group)


class ColumnParallelLinear(nn.Module):
    """Rows of the weight are split: [..., inputs] -> [..., local outputs]."""

    def __init__(
        self,
        inputs: int,
        local_outputs: int,
        group: Group,
        bias: bool = False,
        splits_sequence: bool = False,
    ) -> None:
        super().__init__()
        self.group = group
        self.splits_sequence = splits_sequence
        self.weight = empty_parameter(local_outputs, inputs)
        self.bias = empty_parameter(local_outputs) if bias else None

    def enter(self, x: Tensor) -> Tensor:
        return enter(x, self.group, self.splits_sequence)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.enter(x), self.weight, self.bias)


class RowParallelLinear(nn.Module):
    """Columns of the weight are split: [..., local inputs] -> [..., outputs]."""

    def __init__(self, local_inputs: int, outputs: int, group: Group, splits_sequence: bool = False) -> None:
        super().__init__()
        self.group = group
        self.splits_sequence = splits_sequence
        self.weight = empty_parameter(outputs, local_inputs)

    def leave(self, x: Tensor) -> Tensor:
        return leave(x, self.group, self.splits_sequence)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(F.linear(x, self.weight))


class VocabParallelEmbedding(nn.Module):
    """Rows of the table are split; this rank holds `local_rows` tokens from `first_row` on."""

    def __init__(
        self, local_rows: int, width: int, first_row: int, group: Group, splits_sequence: bool = False
    ) -> None:
        super().__init__()
        self.group = group
        self.splits_sequence = splits_sequence
        self.first_row = first_row
        self.weight = empty_parameter(local_rows, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """int64 [batch, seq] -> [batch, seq, width]; a token of another rank adds zero here."""
        if self.group is None:
            return F.embedding(tokens, self.weight)
        local = tokens - self.first_row
        elsewhere = (local < 0) | (local >= self.weight.shape[0])
        rows = F.embedding(local.masked_fill(elsewhere, 0), self.weight)
        return leave(rows.masked_fill(elsewhere[..., None], 0), self.group, self.splits_sequence)
