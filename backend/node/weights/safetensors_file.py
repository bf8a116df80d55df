"""One safetensors file: 8 bytes header size, a JSON header, the bytes of the tensors one after another.

Source of the format: the description in the README of the safetensors library.
"""

from __future__ import annotations

import json
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Tuple

from backend.node.job_lines import JobError
from backend.node.weights.arrays import ITEM_BYTES, Array
from backend.node.weights.rectangles import read_rectangle, row_width
from backend.node.weights.tensor_file import TensorFile, can_be_shape
from backend.node.weights.tensor_source import TensorInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

# How the header writes a dtype -> a key of arrays.STORAGE.
DTYPES = {
    "BF16": "bf16",
    "F16": "fp16",
    "F32": "fp32",
    "F64": "fp64",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
_MAX_HEADER = 100 << 20


class _Entry(NamedTuple):
    info: TensorInfo
    start: int
    nbytes: int


class SafetensorsFile:
    """A TensorSource over one file. Raises JobError about `field` when it is damaged, truncated or holds
    what this program does not know; StorageError when a tensor cannot be read to its end."""

    def __init__(self, path: str, field: str = "") -> None:
        self.path = path
        self.files = [path]
        self._field = field
        try:
            self._file = TensorFile(path)
            self._entries = _entries(self._file)
        except (OSError, ValueError) as error:
            what = _("cannot read {path}").format(path=path)
            why = getattr(error, "strerror", None) or str(error)
            raise JobError(field, what, why, _("fetch the file again")) from error

    def names(self) -> List[str]:
        """In the order of their bytes."""
        return list(self._entries)

    def info(self, name: str) -> TensorInfo:
        return self._entry(name).info

    def get(self, name: str) -> Array:
        entry = self._entry(name)
        size = ITEM_BYTES[entry.info.dtype]
        flat = self._file.array(entry.start, entry.nbytes // size, entry.info.dtype)
        return Array(flat.data.reshape(entry.info.shape), flat.dtype)

    def read(self, name: str, row: int, column: int, out: NDArray[Any]) -> None:
        entry = self._entry(name)
        read_rectangle(self._file, entry.start, row_width(entry.info.shape), row, column, out)

    def _entry(self, name: str) -> _Entry:
        try:
            return self._entries[name]
        except KeyError:
            what = _("there is no tensor {name} in {path}").format(name=name, path=self.path)
            raise JobError(self._field, what) from None


def _entries(file: TensorFile) -> Dict[str, _Entry]:
    """Tensors by name, in the order of their bytes. Raises ValueError."""
    if file.is_pointer:
        raise ValueError(_("it is only a pointer of git-lfs, not the file itself"))
    length = int.from_bytes(file.read(0, 8), "little")
    if file.size < 8 or length > min(_MAX_HEADER, file.size - 8):
        raise ValueError(_("it is not a safetensors file, or is truncated"))
    header = _header(file.read(8, length))
    if not isinstance(header, dict):
        raise ValueError(_("its header is not a JSON object"))  # noqa: TRY004 - about the file, not a type
    header.pop("__metadata__", None)
    found = {str(name): _entry_of(str(name), entry, 8 + length) for name, entry in header.items()}
    ordered = dict(sorted(found.items(), key=lambda item: (item[1].start, item[1].nbytes)))
    end = 8 + length
    for name, entry in ordered.items():
        if entry.start != end:
            raise ValueError(_("the bytes of {name} do not follow those before").format(name=name))
        end += entry.nbytes
    if end != file.size:
        text = _("its header describes {wanted} bytes and the file has {found}: it is truncated or damaged")
        raise ValueError(text.format(wanted=end, found=file.size))
    return ordered


def _header(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(_("its header is damaged ({reason})").format(reason=error)) from error


def _unique(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(_("a name is twice in its header"))
    return found


def _entry_of(name: str, entry: Any, base: int) -> _Entry:
    try:
        code, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        sound = all(type(value) is int and value >= 0 for value in (*shape, begin, end))
        sound = sound and can_be_shape(shape) and bool(name.encode("utf-8"))
    except (TypeError, KeyError, ValueError):
        sound = False
    if not sound:
        raise ValueError(_("its entry for {name} is damaged").format(name=ascii(name)))
    dtype = DTYPES.get(code) if isinstance(code, str) else None
    if dtype is None:
        text = _("{name} has the dtype {dtype}, which is not supported")
        raise ValueError(text.format(name=name, dtype=code))
    nbytes = ITEM_BYTES[dtype]
    for length in shape:
        nbytes *= length
    if nbytes != end - begin:
        text = _("{name} has {found} bytes and its shape needs {wanted}")
        raise ValueError(text.format(name=name, found=end - begin, wanted=nbytes))
    return _Entry(TensorInfo(tuple(shape), dtype), base + begin, nbytes)
