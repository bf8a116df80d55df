"""Tensor parallel layers over plain local tensors: each rank holds the very shard of its checkpoint file."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.node.train.tensor_group import TensorRanks


def empty_parameter(*shape: int) -> nn.Parameter:
    """A parameter without memory: the flat buffers give it a place, the checkpoint its values."""
    return nn.Parameter(torch.empty(shape, device="meta"))


class ColumnParallelLinear(nn.Module):
    """Rows of the weight are split: [..., inputs] -> [..., local outputs]."""

    def __init__(self, inputs: int, local_outputs: int, ranks: TensorRanks, bias: bool = False) -> None:
        super().__init__()
        self.enter = ranks.enter
        self.weight = empty_parameter(local_outputs, inputs)
        self.bias = empty_parameter(local_outputs) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.enter(x), self.weight, self.bias)


class RowParallelLinear(nn.Module):
    """Columns of the weight are split: [..., local inputs] -> [..., outputs]."""

    def __init__(self, local_inputs: int, outputs: int, ranks: TensorRanks) -> None:
        super().__init__()
        self.leave = ranks.leave
        self.weight = empty_parameter(outputs, local_inputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(F.linear(x, self.weight))


class VocabParallelEmbedding(nn.Module):
    """Rows of the table are split; this rank holds `local_rows` tokens from `first_row` on."""

    def __init__(self, local_rows: int, width: int, first_row: int, ranks: TensorRanks) -> None:
        super().__init__()
        self.ranks = ranks
        self.first_row = first_row
        self.weight = empty_parameter(local_rows, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """int64 [batch, seq] -> [batch, seq, width]; a token of another rank adds zero here."""
        if self.ranks.size == 1:
            return F.embedding(tokens, self.weight)
        local = tokens - self.first_row
        elsewhere = (local < 0) | (local >= self.weight.shape[0])
        rows = F.embedding(local.masked_fill(elsewhere, 0), self.weight)
        return self.ranks.leave(rows.masked_fill(elsewhere[..., None], 0))
