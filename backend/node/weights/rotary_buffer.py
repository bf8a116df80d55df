"""The rotary buffer that ChatGLM 3 and GLM 4 keep among their weights, for an original without weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backend.node.weights.arrays import BF16, FP16, STORAGE, Array
from backend.node.weights.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The model's code applies rope_ratio when it computes: it is not in the buffer.
_BASE = 10000.0


def inverse_frequencies(model: Model, dtype: str) -> Array:
    """1 / base^(2i/d) as the model's own code makes it: every step is rounded to `dtype`, the base too.

    Shape [rotary]; `dtype` is bf16, fp16 or fp32."""
    import numpy as np

    count = model.size("rotary")
    exponents = np.arange(0, 2 * count, 2, dtype=np.float32)
    exponents = _rounded(_rounded(exponents, dtype) / np.float32(2 * count), dtype)
    powers = _rounded(np.power(_rounded(np.array([_BASE], np.float32), dtype), exponents), dtype)
    result = _rounded(np.float32(1.0) / powers, dtype)
    if dtype == BF16:
        return Array((result.view("<u4") >> 16).astype(STORAGE[BF16]), BF16)
    return Array(result.astype(STORAGE[dtype]), dtype)


def _rounded(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """fp32 values that `dtype` can hold, to the nearest, ties to even; finite values only."""
    import numpy as np

    if dtype == FP16:
        return values.astype(np.float16).astype(np.float32)
    if dtype == BF16:
        bits = values.astype(np.float32).view(np.uint32)
        bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
        return bits.astype(np.uint32).view(np.float32)
    return values.astype(np.float32)
