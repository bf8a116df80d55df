"""Two tensors beside each other: bit for bit, and where they differ, how much and where first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Union

from backend.node.weights.arrays import FP32, Array
from backend.node.weights.casting import cast

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOATS = ("bf16", "fp16", FP32, "fp64")
_BLOCK = 1 << 18


def compare(a: Array, b: Array) -> Optional[Dict[str, Any]]:
    """None when shape, dtype and bits are the same, else

    - "why": "shape", "dtype" (both as the dtypes in "a" and "b") or "values"; "a", "b": the shapes, the
      dtypes, or the first values that differ (float or int;
      what JSON has no number for is "nan", "inf" or "-inf");
    - "values": how many values differ, whatever the dtypes (None for shapes); "first": their first place, an
      index in each dimension (None without one); "largest": the largest difference (float, None when there
      is none that is a number).
    """
    if a.data.shape != b.data.shape:
        return _found("shape", list(a.data.shape), list(b.data.shape), None, None, None)
    if a.dtype == b.dtype:
        return _differences(a, b)
    if a.dtype not in _FLOATS or b.dtype not in _FLOATS:
        return _found("dtype", a.dtype, b.dtype, None, None, None)
    wide = "fp64" if "fp64" in (a.dtype, b.dtype) else FP32
    values = _differences(cast(a, wide).array, cast(b, wide).array)
    if values is None:
        return _found("dtype", a.dtype, b.dtype, 0, None, None)
    return {**values, "why": "dtype", "a": a.dtype, "b": b.dtype}


def _differences(a: Array, b: Array) -> Optional[Dict[str, Any]]:
    import numpy as np

    count, first, largest = 0, -1, None
    one, other = a.data.reshape(-1), b.data.reshape(-1)
    bits = f"<u{one.dtype.itemsize}"
    for start in range(0, one.size, _BLOCK):
        left, right = one[start : start + _BLOCK], other[start : start + _BLOCK]
        unequal = left.view(bits) != right.view(bits)
        if not unequal.any():
            continue
        places = np.flatnonzero(unequal)
        count += len(places)
        first = start + int(places[0]) if first < 0 else first
        apart = np.abs(_numbers(left[places], a.dtype) - _numbers(right[places], b.dtype))
        apart = apart[np.isfinite(apart)]
        if apart.size:
            largest = max(largest or 0.0, float(apart.max()))
    if not count:
        return None
    left_value, right_value = (_number(flat[first : first + 1], a.dtype) for flat in (one, other))
    place: List[int] = [int(index) for index in np.unravel_index(first, a.data.shape)]
    return _found("values", left_value, right_value, count, place, largest)


def _number(data: NDArray[Any], dtype: str) -> Union[float, str]:
    """The only value; a word where it is not finite."""
    value = float(_numbers(data, dtype)[0])
    return value if math.isfinite(value) else str(value)


def _numbers(data: NDArray[Any], dtype: str) -> NDArray[Any]:
    """As fp64."""
    import numpy as np

    if dtype in _FLOATS:
        data = cast(Array(np.ascontiguousarray(data), dtype), FP32 if dtype != "fp64" else dtype).array.data
    return data.astype(np.float64)


def _found(
    why: str, a: Any, b: Any, values: Optional[int], first: Optional[List[int]], largest: Optional[float]
) -> Dict[str, Any]:
    return {"why": why, "a": a, "b": b, "values": values, "first": first, "largest": largest}
