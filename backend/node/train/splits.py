"""The documents of training, validation and test."""

from __future__ import annotations

from typing import List, Sequence, Tuple

TRAINING, VALIDATION, TEST = 0, 1, 2


def split_bounds(shares: Sequence[float], count: int) -> Tuple[int, int, int, int]:
    """Where training, validation and test start among `count` documents in their order, and the end: `count`.

    Megatron's rule (get_train_valid_test_split_ in megatron/data/dataset_utils.py): the shares are divided by
    their sum, each part has share * count documents rounded half to even, and what the rounding makes too
    many or too few all together is taken from or given to the first part."""
    total = float(sum(shares))
    ends: List[int] = []
    for share in shares:
        ends.append((ends[-1] if ends else 0) + round(share / total * float(count)))
    surplus = ends[-1] - count
    training, validation, test = (max(0, end - surplus) for end in ends)
    return 0, training, validation, test
