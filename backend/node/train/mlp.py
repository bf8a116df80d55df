"""The gated feed-forward unit."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from backend.node.train.parallel_layers import ColumnParallelLinear, RowParallelLinear
from backend.node.train.tensor_group import TensorRanks
from backend.node.weights.model import Model


class MLP(nn.Module):
    """SwiGLU; each rank's linear_fc1 is its part of gate stacked over its part of up."""

    def __init__(self, shape: Model, ranks: TensorRanks) -> None:
        super().__init__()
        width = shape.ffn // ranks.size
        self.linear_fc1 = ColumnParallelLinear(shape.hidden, 2 * width, ranks)
        self.linear_fc2 = RowParallelLinear(width, shape.hidden, ranks)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.linear_fc1(x).chunk(2, -1)
        return self.linear_fc2(F.silu(gate) * up)
