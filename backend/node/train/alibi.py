"""ALiBi: what a score loses with the distance of its key, in place of a rotary embedding.

Source: Press et al., "Train Short, Test Long" (2021), with their rule for any number of heads.
"""

from __future__ import annotations

from typing import List

import torch
from torch import Tensor


def alibi_slopes(heads: int) -> List[float]:
    """One slope a head: 2^(-8 i / n), i from 1, for n heads where n is a power of two. The heads beyond the
    largest power of two take every other slope of twice as many heads, from the first."""
    whole = 1 << (heads.bit_length() - 1)
    slopes = [2.0 ** (-8.0 * number / whole) for number in range(1, whole + 1)]
    if whole < heads:
        slopes += alibi_slopes(2 * whole)[0::2][: heads - whole]
    return slopes


def causal_alibi(slopes: List[float], length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """What is added to the scores: [1, heads, length, length], minus slope times distance, -inf for later
    keys. Head by head, so that nothing larger than the result is ever there."""
    places = torch.arange(length, dtype=torch.float32, device=device)
    distance = places[None, :] - places[:, None]
    later = distance > 0
    mask = torch.empty(1, len(slopes), length, length, dtype=dtype, device=device)
    for head, slope in enumerate(slopes):
        mask[0, head] = (distance * slope).masked_fill_(later, float("-inf"))
    return mask
