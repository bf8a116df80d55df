"""The over-length rule of the reference: rows are judged in groups of 50, and the columns of a group
together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GROUP = 50


def overlong(
    rows: Dict[str, NDArray[np.int64]], lengths: Dict[str, NDArray[np.int64]], seq_length: int
) -> Dict[str, NDArray[np.bool_]]:
    """Which sequences are dropped: for each column one flag a non-empty row.

    `rows[key]`: numbers of the rows with text in this column, counted from the start of a group;
    `lengths[key]`: tokens of each. A sequence of `seq_length` tokens or more drops, in every column of its
    group, the row with the same number among the column's *non-empty* rows. That hits another row where rows
    before it are empty: it is how the reference counts, kept because its files are the measure."""
    import numpy as np

    dropped = {key: np.zeros(len(lengths[key]), bool) for key in rows}
    long_groups = {int(row) // GROUP for key in rows for row in rows[key][lengths[key] >= seq_length]}
    for group in long_groups:
        parts = {
            key: slice(*np.searchsorted(rows[key], (group * GROUP, (group + 1) * GROUP))) for key in rows
        }
        numbers = [np.flatnonzero(lengths[key][part] >= seq_length) for key, part in parts.items()]
        bad = np.unique(np.concatenate(numbers))
        for key, part in parts.items():
            dropped[key][part][bad[bad < part.stop - part.start]] = True
    return dropped
