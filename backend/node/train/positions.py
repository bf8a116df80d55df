"""What the positions of tokens do to attention, by the model's family and its rope_theta."""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from backend.node.train.alibi import alibi_slopes, causal_alibi
from backend.node.train.rotary import Rotation, make_rotation
from backend.node.train.tensor_group import TensorRanks
from backend.node.weights.model import Model


class Places(NamedTuple):
    """`rotation` turns queries and keys; `bias` [1, local heads, seq, seq] is added to the scores, later keys
    masked. One of them is None."""

    rotation: Optional[Rotation]
    bias: Optional[Tensor]


class Positions:
    """Makes the tables of a length once. `shape` keeps the rules of `position_rules`."""

    def __init__(self, shape: Model, ranks: TensorRanks) -> None:
        self._shape = shape
        self._ranks = ranks
        self._key: Optional[Tuple[int, torch.dtype, torch.device]] = None
        self._kept = Places(None, None)

    def places(self, length: int, dtype: torch.dtype, device: torch.device) -> Places:
        """For sequences of `length` tokens; kept for the next call."""
        key = length, dtype, device
        if key != self._key:
            self._kept = self._make(length, dtype, device)
            self._key = key
        return self._kept

    def _make(self, length: int, dtype: torch.dtype, device: torch.device) -> Places:
        shape, ranks = self._shape, self._ranks
        if shape.rope_theta > 0.0:
            turned = int(shape.head_dim * shape.rotary_percent)
            neighbours = shape.table.turns_neighbours
            rotation = make_rotation(
                length, shape.head_dim, turned, shape.rope_theta, neighbours, dtype, device
            )
            return Places(rotation, None)
        local = shape.heads // ranks.size
        slopes = alibi_slopes(shape.heads)[ranks.rank * local : (ranks.rank + 1) * local]
        return Places(None, causal_alibi(slopes, length, dtype, device))
