"""What stands in the pickle of a torch file, as inert values: nothing of torch, numpy or Megatron itself."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Tuple

# A storage class of torch -> a key of arrays.STORAGE, and the names of torch's dtypes.
STORAGE_CLASSES: Dict[str, str] = {
    "BFloat16Storage": "bf16",
    "HalfStorage": "fp16",
    "FloatStorage": "fp32",
    "DoubleStorage": "fp64",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
TORCH_DTYPES: Dict[str, str] = {
    "bfloat16": "bf16",
    "float16": "fp16",
    "float32": "fp32",
    "float64": "fp64",
    "int64": "int64",
    "int32": "int32",
    "int16": "int16",
    "int8": "int8",
    "uint8": "uint8",
    "bool": "bool",
}


class TorchDtype(NamedTuple):
    """A dtype object of torch, as `args.params_dtype` is one; `name` is a key of arrays.STORAGE."""

    name: str


class EnumValue(NamedTuple):
    """A member of one of Megatron's enums: the full name of the class, and its value."""

    name: str
    value: Any


class Opaque(NamedTuple):
    """Something that weights do not need, such as the state of numpy's random numbers: its class only."""

    name: str


class StorageRef(NamedTuple):
    """The storage `key` of the file: that many `values` of `dtype`."""

    key: str
    dtype: str
    values: int


class TensorRef(NamedTuple):
    """A view of a storage; offset and strides in values."""

    storage: StorageRef
    offset: int
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]


class Fields(Dict[str, Any]):
    """An argparse.Namespace, as a dict of its attributes."""
