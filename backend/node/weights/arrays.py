"""Tensors without torch: numpy arrays that know the dtype that their bytes stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, NamedTuple, Tuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

BF16, FP16, FP32 = "bf16", "fp16", "fp32"
# dtype -> how numpy holds it, little-endian; bf16 is held as its 16 bits
STORAGE: Dict[str, str] = {
    BF16: "<u2",
    FP16: "<f2",
    FP32: "<f4",
    "fp64": "<f8",
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "|i1",
    "uint8": "|u1",
    "bool": "|b1",
}
ITEM_BYTES: Dict[str, int] = {name: int(code[2:]) for name, code in STORAGE.items()}


class Array(NamedTuple):
    """`data`: of the storage type of `dtype`, which is a key of STORAGE. May be a view of other arrays:
    never written to."""

    data: NDArray[Any]
    dtype: str


class Planned(NamedTuple):
    """A tensor that will be written: `key` names it to whoever produces it."""

    key: str
    shape: Tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        size = ITEM_BYTES[self.dtype]
        for length in self.shape:
            size *= length
        return size
