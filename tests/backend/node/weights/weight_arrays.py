"""Tensors and files of tests about storage: small, of every dtype, and made without torch."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from backend.node.weights.arrays import STORAGE, Array, Planned
from backend.node.weights.pt_writer import write_pt
from backend.node.weights.safetensors_writer import write_safetensors


def array(dtype: str, *shape: int, seed: int = 0) -> Array:
    """Random bits of `dtype`; NaN among them."""
    code = np.dtype(STORAGE[dtype])
    count = int(np.prod(shape, dtype=np.int64))
    raw = np.random.default_rng(seed).integers(0, 256, count * code.itemsize, dtype=np.uint8)
    if dtype == "bool":
        raw &= 1
    return Array(raw.view(code).reshape(shape), dtype)


def planned(arrays: dict[str, Array]) -> dict[str, Planned]:
    return {key: Planned(key, made.data.shape, made.dtype) for key, made in arrays.items()}


def same(found: Array, wanted: Array) -> bool:
    shapes = found.data.shape == wanted.data.shape
    return shapes and found.dtype == wanted.dtype and found.data.tobytes() == wanted.data.tobytes()


def write_bin(path: Path, arrays: dict[str, Array]) -> None:
    content: Any = OrderedDict(planned(arrays))
    write_pt(str(path), content, arrays.__getitem__, folder="pytorch_model")


def write_st(path: Path, arrays: dict[str, Array]) -> None:
    write_safetensors(str(path), list(planned(arrays).values()), arrays.__getitem__, {"format": "pt"})


EVERY = {f"every.{dtype}": array(dtype, 3, 5, seed=place) for place, dtype in enumerate(STORAGE)}
EVERY["scalar"] = array("fp32")
EVERY["empty"] = array("bf16", 0, 4)
