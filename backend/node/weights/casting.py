"""Values from one floating dtype to another, exactly as torch's `.to()` rounds, and what that loses.

Rounding is to the nearest, ties to even; fp64 goes through fp32, as in torch. A NaN stays one: in bf16 it is
always 0x7fc0. In torch its bits depend on the version and on how many values are cast at once.
"""

from __future__ import annotations

import functools
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, NamedTuple, Tuple

from backend.node.job_lines import JobError
from backend.node.weights.arrays import BF16, FP16, FP32, ITEM_BYTES, STORAGE, Array
from backend.node.weights.piece_stream import pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FP64 = "fp64"
_FLOATS = (BF16, FP16, FP32, _FP64)
# Each holds every value of those in its row.
_WIDER = {BF16: (FP32, _FP64), FP16: (FP32, _FP64), FP32: (_FP64,), _FP64: ()}
# A piece and its temporaries stay in the processor's cache.
_PIECE_BYTES = 1 << 18
_CHANGED, _INFINITE = 1 << 16, 1 << 17
# For bits without their sign: above it, NaN; equal to it, infinite.
_INFINITY = {BF16: 0x7F80, FP16: 0x7C00, FP32: 0x7F800000, _FP64: 0x7FF0000000000000}


class Cast(NamedTuple):
    """`lost`: values that do not come back as they were (a NaN that stays one does). `overflowed`: finite
    values that became infinite; they are lost as well."""

    array: Array
    lost: int
    overflowed: int


def cast(array: Array, dtype: str) -> Cast:
    """`array` as `dtype`; the same object where it has that already. Raises JobError for other dtypes than
    bf16, fp16, fp32 and fp64."""
    if array.dtype == dtype:
        return Cast(array, 0, 0)
    if array.dtype not in _FLOATS or dtype not in _FLOATS:
        raise JobError("dtype", _("cannot turn {a} into {b}").format(a=array.dtype, b=dtype))
    import numpy as np

    made = np.empty(array.data.shape, STORAGE[dtype])
    flat, at, lost, overflowed = made.reshape(-1), 0, 0, 0
    step = _looked_up if ITEM_BYTES[array.dtype] == ITEM_BYTES[dtype] else _computed
    for piece in pieces(array.data, _PIECE_BYTES):
        counts = step(piece, array.dtype, dtype, flat[at : at + piece.size])
        lost, overflowed, at = lost + counts[0], overflowed + counts[1], at + piece.size
    return Cast(Array(made, dtype), lost, overflowed)


def _looked_up(piece: NDArray[Any], source: str, target: str, out: NDArray[Any]) -> Tuple[int, int]:
    """Between two dtypes of 16 bits."""
    import numpy as np

    found = _table(source, target).take(_bits(piece), mode="clip")
    out.view("<u2")[:] = found
    highest = int(found.max()) if found.size else 0
    if highest < _CHANGED:
        return 0, 0
    overflowed = np.count_nonzero(found & _INFINITE) if highest >= _INFINITE else 0
    return int(np.count_nonzero(found & _CHANGED)), int(overflowed)


@functools.cache
def _table(source: str, target: str) -> NDArray[Any]:
    """For each of the 65536 codes the one that it becomes, with marks for what is lost."""
    import numpy as np

    codes = np.arange(1 << 16, dtype="<u2").view(STORAGE[source])
    made = _narrow(_widen(codes, source), target)
    changed, infinite = _differences(codes, source, made, target)
    table: NDArray[Any] = _bits(made) + changed * np.uint32(_CHANGED) + infinite * np.uint32(_INFINITE)
    return table.astype("<u4")


def _computed(piece: NDArray[Any], source: str, target: str, out: NDArray[Any]) -> Tuple[int, int]:
    import numpy as np

    made = _narrow(_widen(piece, source), target)
    out[:] = made
    if target in _WIDER[source]:
        return 0, 0
    changed, infinite = _differences(piece, source, made, target)
    return int(np.count_nonzero(changed)), int(np.count_nonzero(infinite))


def _differences(
    before: NDArray[Any], source: str, after: NDArray[Any], target: str
) -> Tuple[NDArray[Any], NDArray[Any]]:
    """Where a value is not what it was, and where it became infinite."""
    back = _narrow(_widen(after, target), source)
    changed = _bits(back) != _bits(before)
    infinite = (_magnitude(after) == _INFINITY[target]) & (_magnitude(before) < _INFINITY[source])
    if changed.any():
        changed &= _magnitude(before) <= _INFINITY[source]
    return changed, infinite


def _widen(piece: NDArray[Any], dtype: str) -> NDArray[Any]:
    """As fp32, or as fp64 where it is that."""
    import numpy as np

    if dtype == BF16:
        wide = piece.astype("<u4")
        wide <<= 16
        return wide.view("<f4")
    if dtype == FP16:
        wide = piece.astype("<f4")
        # Processors set the quiet bit of a NaN on the way, as torch does; numpy does not everywhere.
        wide.view("<u4")[np.isnan(wide)] |= 0x400000
        return wide
    return piece


def _narrow(piece: NDArray[Any], dtype: str) -> NDArray[Any]:
    """From fp32 or fp64."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        if dtype == _FP64:
            return piece.astype("<f8")
        piece = piece.astype("<f4", copy=False)
        if dtype == FP32:
            return piece
        if dtype == BF16:
            return _rounded(piece)
        half = piece.astype("<f2")
    nan = np.isnan(piece)
    if nan.any():
        bits = piece.view("<u4")[nan]
        half.view("<u2")[nan] = (bits >> 16 & 0x8000) | 0x7E00 | (bits >> 13 & 0x3FF)
    return half


def _rounded(piece: NDArray[Any]) -> NDArray[Any]:
    """fp32 to bf16: the lower half goes, and is rounded into the upper one."""
    import numpy as np

    bits = piece.view("<u4")
    wide = bits >> 16
    wide &= 1
    wide += 0x7FFF
    wide += bits
    wide >>= 16
    made = wide.astype("<u2")
    nan = np.isnan(piece)
    if nan.any():
        made[nan] = 0x7FC0
    return made


def _bits(piece: NDArray[Any]) -> NDArray[Any]:
    return piece.view(f"<u{piece.itemsize}")


def _magnitude(piece: NDArray[Any]) -> NDArray[Any]:
    bits = _bits(piece)
    return bits & ((1 << 8 * piece.itemsize - 1) - 1)
