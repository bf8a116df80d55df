"""Many samples in one sequence of a fixed length: the same bins as ModelLink's, filled in the same order."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, Dict, Iterator, List, Tuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def bins(lengths: NDArray[np.int64], seq_length: int) -> Iterator[List[int]]:
    """Which samples make up each packed sequence: their indexes, in order.

    `lengths`: ids of each sample, int64 [samples], none above `seq_length`. A bin has room for one id less
    than `seq_length`; it takes the longest sample that fits until none does, of equal ones the last first. A
    sample of exactly `seq_length` fits no such bin (the reference never ends there): it is a bin of its own,
    before all others.
    """
    by_length: Dict[int, List[int]] = {}
    for index, length in enumerate(lengths.tolist()):
        by_length.setdefault(length, []).append(index)
    for index in reversed(by_length.pop(seq_length, [])):
        yield [index]
    known = sorted(by_length)
    while known:
        yield _fill(known, by_length, seq_length - 1)


def _fill(known: List[int], by_length: Dict[int, List[int]], room: int) -> List[int]:
    """One bin; takes its samples out of `by_length`, and lengths that are used up out of `known`."""
    taken: List[int] = []
    while True:
        at = bisect.bisect_right(known, room) - 1
        if at < 0:
            return taken
        length = known[at]
        samples = by_length[length]
        taken.append(samples.pop())
        room -= length
        if not samples:
            del known[at]


def batched(packed: Iterator[List[int]], count: int) -> Iterator[Tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """`count` bins at a time: the samples of all of them in order, int64 [samples], and the bin (from 0) of
    each, int64 [samples]."""
    import itertools

    import numpy as np

    while True:
        some = list(itertools.islice(packed, count))
        if not some:
            return
        sizes = [len(samples) for samples in some]
        yield (
            np.concatenate([np.array(one, np.int64) for one in some]),
            np.repeat(np.arange(len(some)), sizes),
        )
