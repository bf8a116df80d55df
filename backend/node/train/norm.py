"""The norm of all families."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from backend.node.train.parallel_layers import empty_parameter


class RMSNorm(nn.Module):
    """Root mean square norm over the last dimension; the weight is whole on every rank."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = empty_parameter(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)
