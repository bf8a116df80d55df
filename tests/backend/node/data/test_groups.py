from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backend.node.data.groups import GROUP, overlong


def slowly(table: list[dict[str, int]], keys: list[str], limit: int) -> dict[str, list[bool]]:
    """The rule word for word, group by group; 0 is an empty text."""
    flags: dict[str, list[bool]] = {key: [] for key in keys}
    for start in range(0, len(table), GROUP):
        group = table[start : start + GROUP]
        remaining = {key: [row[key] for row in group if row[key]] for key in keys}
        bad = {number for key in keys for number, length in enumerate(remaining[key]) if length >= limit}
        for key in keys:
            flags[key] += [number in bad for number in range(len(remaining[key]))]
    return flags


LENGTH = st.sampled_from([0, 1, 4, 5, 6])


@given(st.lists(st.tuples(LENGTH, LENGTH), max_size=130), st.integers(1, 2))
def test_as_the_rule_says(rows: list[tuple[int, int]], columns: int) -> None:
    keys = ["a", "b"][:columns]
    table = [dict(zip(keys, row, strict=False)) for row in rows]
    numbers = {key: np.array([n for n, row in enumerate(table) if row[key]], np.int64) for key in keys}
    lengths = {key: np.array([row[key] for row in table if row[key]], np.int64) for key in keys}
    found = overlong(numbers, lengths, 5)
    assert {key: flags.tolist() for key, flags in found.items()} == slowly(table, keys, 5)
