"""The arithmetic of a LoRA merge, W + s (B A) with s = alpha / rank, rounded as PEFT 0.7.1 does it on a CPU.

bf16: the product summed in fp32 and rounded to bf16, times s in bf16, the sum in bf16. fp16: product and
scale in fp32, rounded to fp16, the sum in fp16. The product is a chain of fused multiply-adds over the rank
on every machine and for every cut of the weights. In torch that depends on processor and shape: one with
instructions for bf16 may add in pairs, and a few of 10^6 values of the product then end one last digit away.
"""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING, Any

from backend.node.job_lines import JobError
from backend.node.weights.arrays import BF16, FP16, FP32, STORAGE, Array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[Any]

DOWN = ".lora_A.default.weight"
UP = ".lora_B.default.weight"
BASE = ".base_layer"
_WEIGHT = ".weight"
# Values of a block: it stays in the cache.
_BLOCK = 1 << 16
# What torch makes of any NaN.
_NAN = 0x7FC0


def module_of(weight: str) -> str:
    """ "…layers.0.mlp.linear_fc1.weight" -> "…layers.0.mlp.linear_fc1"; "" for anything but a weight."""
    return weight[: -len(_WEIGHT)] if weight.endswith(_WEIGHT) else ""


def base_name(weight: str) -> str:
    """The name of a module's own weight in a file that holds the model around the adapter."""
    return module_of(weight) + BASE + _WEIGHT


def merged(base: Array, down: Array, up: Array, scale: float) -> Array:
    """`base` [out, in] with the adapter `down` [rank, in] and `up` [out, rank] in it, in the dtype of `base`.

    Raises JobError (field "lora_directory") for shapes or dtypes that do not belong together.
    """
    import numpy as np

    _check(base, down, up)
    out = np.empty(base.data.shape, STORAGE[base.dtype])
    step = max(1, _BLOCK // max(1, base.data.shape[1]))
    right = _wide(down.data, down.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(out), step):
            rows = slice(start, start + step)
            product = _product(_wide(up.data[rows], up.dtype), right, up.dtype)
            change = _scaled(product, np.float32(scale), up.dtype)
            change += _wide(base.data[rows], base.dtype)
            out[rows] = _rounded(change, base.dtype)
    return Array(out, base.dtype)


def _product(left: Values, right: Values, dtype: str) -> Values:
    """`left` @ `right` in fp32 of values that were `dtype`, added up in the order of the rank, each rounded
    once. A library for matrices adds in an order of its own, which depends on the processor and on the shape:
    a piece of the weights would not come out as in the whole."""
    import numpy as np

    out = np.zeros((len(left), right.shape[1]), np.float32)
    # What two numbers of 16 bits make fits fp32; what two of fp32 make fits fp64.
    wide = np.float64 if dtype == FP32 else np.float32
    held = np.empty(out.shape, wide)
    for column, row in zip(left.T.astype(wide, copy=False), right.astype(wide, copy=False)):
        np.multiply(column[:, None], row, out=held)
        np.add(out, held, out=held if wide is np.float64 else out)
        if wide is np.float64:
            out[...] = held
    return out


def _scaled(product: Values, scale: Any, dtype: str) -> Values:
    """fp32, its values rounded as the adapter's dtype asks; those of `product` are lost."""
    if dtype == BF16:
        product = _wide(_rounded(product, dtype), dtype)
    product *= scale
    return _wide(_rounded(product, dtype), dtype)


def _wide(data: Values, dtype: str) -> Values:
    """As fp32, in an array of its own for bf16 and fp16."""
    import numpy as np

    if dtype != BF16:
        return data.astype(np.float32, copy=False)
    bits = data.astype(np.uint32)
    np.left_shift(bits, 16, out=bits)
    return bits.view(np.float32)


def _rounded(values: Values, dtype: str) -> Values:
    """fp32 values in the storage of `dtype`, to the nearest, ties to even; those of `values` are lost."""
    import numpy as np

    if dtype != BF16:
        return values.astype(STORAGE[dtype], copy=False)
    nan = np.isnan(values)
    bits = values.view(np.uint32)
    half = np.right_shift(bits, 16)
    np.bitwise_and(half, 1, out=half)
    half += 0x7FFF
    bits += half
    np.right_shift(bits, 16, out=bits)
    if nan.any():
        bits[nan] = _NAN
    return bits.astype(np.uint16)


def _check(base: Array, down: Array, up: Array) -> None:
    if base.dtype not in (BF16, FP16, FP32) or down.dtype not in (BF16, FP16, FP32) or down.dtype != up.dtype:
        what = _("the adapter is {down} and {up} beside weights in {base}").format(
            down=down.dtype, up=up.dtype, base=base.dtype
        )
        raise JobError("lora_directory", what, _("all of them are bf16, fp16 or fp32, both halves the same"))
    shapes = [list(array.data.shape) for array in (up, down, base)]
    fits = all(len(shape) == 2 for shape in shapes) and shapes[0][1] == shapes[1][0]
    if not fits or shapes[2] != [shapes[0][0], shapes[1][1]]:
        what = _("an adapter of {up} and {down} does not fit a weight of {base}").format(
            up=shapes[0], down=shapes[1], base=shapes[2]
        )
        raise JobError("lora_directory", what, _("it was trained on another model or layout"))
