"""Two tensors beside each other: bit for bit, and where they differ, how much and where first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple, Union

from backend.node.weights.arrays import FP32, ITEM_BYTES, STORAGE, Array
from backend.node.weights.casting import cast
from backend.node.weights.gathering import Gathered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[Any]

_FLOATS = ("bf16", "fp16", FP32, "fp64")
# Of each of the two at a time: both stay in the processor's cache.
_BLOCK_BYTES = 1 << 20


def compare(a: Gathered, b: Gathered) -> Optional[Dict[str, Any]]:
    """None when shape, dtype and bits are the same, else

    - "why": "shape", "dtype" (both as the dtypes in "a" and "b") or "values"; "a", "b": the shapes, the
      dtypes, or the first values that differ (float or int;
      what JSON has no number for is "nan", "inf" or "-inf");
    - "values": how many values differ, whatever the dtypes (None for shapes); "first": their first place, an
      index in each dimension (None without one); "largest": the largest difference (float, None when there
      is none that is a number).

    Raises JobError, OSError."""
    if a.shape != b.shape:
        return _found("shape", list(a.shape), list(b.shape), None, None, None)
    if a.dtype == b.dtype:
        return _differences(a, b, a.dtype)
    if a.dtype not in _FLOATS or b.dtype not in _FLOATS:
        return _found("dtype", a.dtype, b.dtype, None, None, None)
    values = _differences(a, b, "fp64" if "fp64" in (a.dtype, b.dtype) else FP32)
    if values is None:
        return _found("dtype", a.dtype, b.dtype, 0, None, None)
    return {**values, "why": "dtype", "a": a.dtype, "b": b.dtype}


def _differences(a: Gathered, b: Gathered, dtype: str) -> Optional[Dict[str, Any]]:
    """Both as `dtype`."""
    import numpy as np

    count, first, largest = 0, -1, None
    left_value: Union[float, str] = 0.0
    right_value: Union[float, str] = 0.0
    bits = f"<u{ITEM_BYTES[dtype]}"
    for start, one, other in _blocks(a, b):
        if a.dtype == b.dtype and _same(one, other):
            continue
        left, right = (
            cast(Array(data, held.dtype), dtype).array.data for data, held in ((one, a), (other, b))
        )
        places = np.flatnonzero(left.view(bits) != right.view(bits))
        if not len(places):
            continue
        left, right = left[places], right[places]
        if first < 0:
            first = start + int(places[0])
            left_value, right_value = _number(left[:1], dtype), _number(right[:1], dtype)
        count += len(places)
        apart = np.abs(_numbers(left, dtype) - _numbers(right, dtype))
        apart = apart[np.isfinite(apart)]
        if apart.size:
            largest = max(largest or 0.0, float(apart.max()))
    if not count:
        return None
    place: List[int] = [int(index) for index in np.unravel_index(first, a.shape)]
    return _found("values", left_value, right_value, count, place, largest)


def _blocks(a: Gathered, b: Gathered) -> Iterator[Tuple[int, Values, Values]]:
    """Number of the first value, and the values of both, of some rows after others; each is lost when the
    next is asked for."""
    import numpy as np

    rows, width = a.table
    size = width * max(ITEM_BYTES[a.dtype], ITEM_BYTES[b.dtype])
    step = min(rows, max(1, _BLOCK_BYTES // max(1, size)))
    one, other = (np.empty((step, width), STORAGE[held.dtype]) for held in (a, b))
    for at in range(0, rows if width else 0, max(1, step)):
        count = min(step, rows - at)
        a.read(at, one[:count])
        b.read(at, other[:count])
        yield at * width, one[:count].reshape(-1), other[:count].reshape(-1)


def _same(one: Values, other: Values) -> bool:
    """Whether all bytes are equal."""
    import numpy as np

    left, right = one.view(np.uint8), other.view(np.uint8)
    whole = len(left) & ~7
    same = np.array_equal(left[:whole].view(np.uint64), right[:whole].view(np.uint64))
    return same and np.array_equal(left[whole:], right[whole:])


def _number(data: Values, dtype: str) -> Union[float, str]:
    """The only value; a word where it is not finite."""
    value = float(_numbers(data, dtype)[0])
    return value if math.isfinite(value) else str(value)


def _numbers(data: Values, dtype: str) -> Values:
    """As fp64."""
    import numpy as np

    if dtype in _FLOATS:
        data = cast(Array(np.ascontiguousarray(data), dtype), FP32 if dtype != "fp64" else dtype).array.data
    return data.astype(np.float64)


def _found(
    why: str, a: Any, b: Any, values: Optional[int], first: Optional[List[int]], largest: Optional[float]
) -> Dict[str, Any]:
    return {"why": why, "a": a, "b": b, "values": values, "first": first, "largest": largest}
