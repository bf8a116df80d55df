"""Writes the pickle of a torch file: protocol 2, with no instruction and no name beyond what torch's own safe
loader accepts."""

from __future__ import annotations

import argparse
import pickle
import struct
from collections import OrderedDict
from typing import Any, List, Tuple

from backend.node.weights.arrays import Planned
from backend.node.weights.pt_values import STORAGE_CLASSES, TORCH_DTYPES, TorchDtype

_STORAGE_CLASS = {dtype: name for name, dtype in STORAGE_CLASSES.items()}
_TORCH_NAME = {dtype: name for name, dtype in TORCH_DTYPES.items()}
_EMPTY_ORDERED = b"ccollections\nOrderedDict\n)R"


def write_pickle(content: Any) -> Tuple[bytes, List[Planned]]:
    """The pickle of nested builtin values, Namespaces and TorchDtypes with Planned leaves, and these leaves
    in order: the n-th one is the storage `n`. Raises TypeError for anything else."""
    out: List[bytes] = [b"\x80\x02"]
    leaves: List[Planned] = []
    _value(content, out, leaves)
    out.append(b".")
    return b"".join(out), leaves


def _value(value: Any, out: List[bytes], leaves: List[Planned]) -> None:
    if value is None or isinstance(value, bool):
        out.append({None: b"N", True: b"\x88", False: b"\x89"}[value])
    elif type(value) is int:
        out.append(_integer(value))
    elif isinstance(value, float):
        out.append(b"G" + struct.pack(">d", value))
    elif type(value) is str:
        out.append(_text(value))
    elif isinstance(value, Planned):
        out.append(_tensor(value, len(leaves)))
        leaves.append(value)
    elif isinstance(value, TorchDtype):
        out.append(f"ctorch\n{_TORCH_NAME[value.name]}\n".encode())
    elif isinstance(value, argparse.Namespace):
        out.append(b"cargparse\nNamespace\n)\x81")
        _value(vars(value), out, leaves)
        out.append(b"b")
    elif type(value) in (dict, OrderedDict, list, tuple):
        _container(value, out, leaves)
    else:
        raise TypeError(f"a {type(value).__name__} does not belong into a weight file")


def _container(value: Any, out: List[bytes], leaves: List[Planned]) -> None:
    if isinstance(value, dict):
        out.append(_EMPTY_ORDERED if type(value) is OrderedDict else b"}")
        if not value:
            return
        out.append(b"(")
        for key, item in value.items():
            if type(key) not in (str, int):
                raise TypeError(f"a key is a {type(key).__name__}")
            _value(key, out, leaves)
            _value(item, out, leaves)
        out.append(b"u")
        return
    is_list = isinstance(value, list)
    if not value:
        out.append(b"]" if is_list else b")")
        return
    out.append(b"](" if is_list else b"(")
    for item in value:
        _value(item, out, leaves)
    out.append(b"e" if is_list else b"t")


def _integer(value: int) -> bytes:
    if 0 <= value < 1 << 8:
        return b"K" + value.to_bytes(1, "little")
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    encoded = pickle.encode_long(value)
    if len(encoded) > 255:
        raise TypeError("a number is too large for a weight file")
    return b"\x8a" + len(encoded).to_bytes(1, "little") + encoded


def _text(value: str) -> bytes:
    encoded = value.encode("utf-8", "replace")
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def _tensor(planned: Planned, key: int) -> bytes:
    """A contiguous tensor that is the whole of its storage."""
    strides: List[int] = []
    count = 1
    for length in reversed(planned.shape):
        strides.insert(0, count)
        count *= max(1, length)
    values = 0 if 0 in planned.shape else count
    return b"".join(
        (
            b"ctorch._utils\n_rebuild_tensor_v2\n((",
            _text("storage"),
            f"ctorch\n{_STORAGE_CLASS[planned.dtype]}\n".encode(),
            _text(str(key)),
            _text("cpu"),
            _integer(values),
            b"tQK\x00",
            _integers(planned.shape),
            _integers(strides),
            b"\x89" + _EMPTY_ORDERED + b"tR",
        )
    )


def _integers(values: Any) -> bytes:
    return b"(" + b"".join(map(_integer, values)) + b"t" if values else b")"
