"""The last step of a tensor before it is written: contiguous, counted, in the dtype that was asked for."""

from __future__ import annotations

from gettext import gettext as _
from typing import Optional

from backend.node.job_lines import JobError
from backend.node.weights.arrays import Array
from backend.node.weights.casting import cast
from backend.node.weights.model import HF_NAMES
from backend.node.weights.tally import Tally


def settle(
    array: Array,
    dtype: str,
    name: str,
    tally: Tally,
    refuse_overflow: bool,
    new_rows: Optional[int] = None,
) -> Array:
    """The values in `dtype`, contiguous and looked at: those of the first `new_rows` rows count.

    Raises JobError for values that would become infinite, when they are to be refused."""
    import numpy as np

    array = Array(np.ascontiguousarray(array.data), array.dtype)
    tally.look_at(name, Array(array.data[:new_rows], array.dtype))
    if array.dtype == dtype:
        return array
    made, lost, overflowed = cast(array, dtype)
    if overflowed and refuse_overflow:
        what = _("{name} has values that are too large for {dtype}").format(
            name=name, dtype=HF_NAMES.get(dtype, dtype)
        )
        raise JobError("dtype", what, _("they would become infinite"), _("choose bf16 or fp32"))
    if new_rows is not None and new_rows < len(array.data):
        _repeated, lost_again, overflowed_again = cast(Array(array.data[new_rows:], array.dtype), dtype)
        lost, overflowed = lost - lost_again, overflowed - overflowed_again
    tally.add_cast(lost, overflowed)
    return made
