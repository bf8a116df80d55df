"""Which data set each sample of a blend comes from, by Megatron's rule."""

from __future__ import annotations

from collections import OrderedDict
from typing import List, NamedTuple, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 14
_BLOCKS_KEPT = 2


class _Block(NamedTuple):
    """`sets`: uint16, the data set of each sample; `numbers`: int64, which of its samples that is."""

    sets: NDArray[np.uint16]
    numbers: NDArray[np.int64]


class Blend:
    """An endless row of samples from several data sets, in proportion to `weights` (above 0).

    The next sample comes from the data set that lacks most: where weight * n - (samples taken from it) is
    largest after n samples, the first of several equal ones; the weights are divided by their sum, and n
    counts as 1 at the start (build_blending_indices in megatron/core/datasets/helpers.cpp). No data set is
    ever ahead of its share by a whole sample.

    A sample depends on the weights and its number alone, so nothing is stored for a resume: the way to a
    place is walked again, about a million samples a second. Kept are the counts every 16,384 samples."""

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights: List[float] = (np.array(weights, np.float64) / np.sum(weights)).tolist()
        self._starts: List[Tuple[int, ...]] = [(0,) * len(weights)]
        self._blocks: OrderedDict[int, _Block] = OrderedDict()

    def locate(self, number: int) -> Tuple[int, int]:
        """The data set of sample `number`, and which of its samples it is; both from 0."""
        if len(self._weights) == 1:
            return 0, number
        block, place = divmod(number, _BLOCK)
        found = self._block(block)
        return int(found.sets[place]), int(found.numbers[place])

    def _block(self, wanted: int) -> _Block:
        if wanted not in self._blocks:
            for number in range(min(wanted, len(self._starts) - 1), wanted + 1):
                self._blocks[number] = self._walk(number)
                if len(self._blocks) > _BLOCKS_KEPT:
                    self._blocks.popitem(last=False)
        return self._blocks[wanted]

    def _walk(self, block: int) -> _Block:
        """Apply the rule to one block, whose start is known, and note where the next one starts."""
        weights, counts = self._weights, list(self._starts[block])
        sets: List[int] = []
        numbers: List[int] = []
        for number in range(block * _BLOCK, (block + 1) * _BLOCK):
            share = float(number or 1)
            lacks = [weight * share - count for weight, count in zip(weights, counts)]
            chosen = lacks.index(max(lacks))
            sets.append(chosen)
            numbers.append(counts[chosen])
            counts[chosen] += 1
        if block + 1 == len(self._starts):
            self._starts.append(tuple(counts))
        return _Block(np.array(sets, np.uint16), np.array(numbers, np.int64))
