"""What goes through the model at once."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

IGNORED = -100  # a label that counts nothing, as instruction data and PyTorch have it


class MicroBatch(NamedTuple):
    """`tokens` and `labels`: int64 [micro batch, seq]. `labels[i]` is the token that follows `tokens[i]`, or
    IGNORED. Padding stands at the end, where causal attention keeps it away from what counts."""

    tokens: Tensor
    labels: Tensor
