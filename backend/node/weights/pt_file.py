"""One file of torch (`.pt`, `.bin`): a zip of stored members, one of which is a small pickle.

Source of the format: what torch 2.1 to 2.13 write (`data.pkl`, `byteorder`, `version`, `data/<key>`). Files
of torch before 1.6 are read as well.
"""

from __future__ import annotations

import math
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Dict, List

from backend.node.job_lines import JobError
from backend.node.weights.arrays import ITEM_BYTES, Array
from backend.node.weights.pt_allowed import Foreign, Refused
from backend.node.weights.pt_archive import PtArchive
from backend.node.weights.pt_legacy import PtLegacy, is_legacy
from backend.node.weights.pt_structure import structure_of
from backend.node.weights.pt_values import TensorRef
from backend.node.weights.rectangles import copy_rectangle, read_rectangle, row_width
from backend.node.weights.tensor_file import TensorFile, can_be_shape
from backend.node.weights.tensor_source import TensorInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PtFile:
    """A TensorSource over one file; names are paths ("model/language_model/…"), or plain for a flat file.

    `structure`: the nested content with a TensorInfo for every tensor; a Namespace is a dict. `content`: the
    same without the tensors. Raises JobError about `field` when the file is damaged, truncated, or asks for
    more than the list in `pt_allowed` holds; StorageError when a tensor cannot be read to its end.
    """

    def __init__(self, path: str, field: str = "") -> None:
        self.path = path
        self.files = [path]
        self._field = field
        try:
            self._file = TensorFile(path)
            file = self._file
            if file.is_pointer:
                raise Refused(_("it is only a pointer of git-lfs, not the file itself"))
            self._archive = PtLegacy(file) if is_legacy(file) else PtArchive(path, file)
            parts = structure_of(self._archive.content)
            self._starts = {name: self._start(name, tensor) for name, tensor in parts.tensors.items()}
        except (OSError, Refused) as error:
            what = _("cannot read {path}").format(path=path)
            why = getattr(error, "strerror", None) or str(error)
            fix = _("fetch or make the file again")
            if isinstance(error, Foreign):
                fix = _("take the weights from a source that you trust, or save them again without it")
            raise JobError(field, what, why, fix) from error
        self._tensors: Dict[str, TensorRef] = parts.tensors
        self.structure: Any = parts.nested
        self.content: Any = parts.rest

    def names(self) -> List[str]:
        """In the order of the pickle."""
        return list(self._tensors)

    def info(self, name: str) -> TensorInfo:
        tensor = self._tensor(name)
        return TensorInfo(tensor.shape, tensor.storage.dtype)

    def get(self, name: str) -> Array:
        tensor = self._tensor(name)
        flat = self._file.array(self._starts[name], _extent(tensor), tensor.storage.dtype)
        return Array(_shaped(flat.data, tensor), flat.dtype)

    def read(self, name: str, row: int, column: int, out: NDArray[Any]) -> None:
        import numpy as np

        tensor, start = self._tensor(name), self._starts[name]
        if _lies_together(tensor):
            read_rectangle(self._file, start, row_width(tensor.shape), row, column, out)
        elif _is_turned(tensor):
            held = np.empty(out.shape[::-1], out.dtype)
            read_rectangle(self._file, start, tensor.shape[0], column, row, held)
            out[...] = held.T
        else:
            copy_rectangle(self.get(name).data, row, column, out)

    def _tensor(self, name: str) -> TensorRef:
        try:
            return self._tensors[name]
        except KeyError:
            what = _("there is no tensor {name} in {path}").format(name=name, path=self.path)
            raise JobError(self._field, what) from None

    def _start(self, name: str, tensor: TensorRef) -> int:
        """Where the first value is, in bytes from the start of the file. Raises Refused."""
        held = tensor.storage
        size = ITEM_BYTES[held.dtype]
        start, nbytes = self._archive.storage(held.key)
        if held.values * size > nbytes or tensor.offset + _extent(tensor) > held.values:
            raise Refused(_("the tensor {name} reaches beyond its storage").format(name=name))
        # Strides of 0 could name more values than there is memory.
        if math.prod(tensor.shape) > held.values or not can_be_shape(tensor.shape):
            raise Refused(_("the tensor {name} has more values than its storage").format(name=name))
        return start + tensor.offset * size


def _extent(tensor: TensorRef) -> int:
    """How many values lie between the first and the last, both included."""
    if 0 in tensor.shape:
        return 0
    return 1 + sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.strides))


def _shaped(flat: NDArray[Any], tensor: TensorRef) -> NDArray[Any]:
    if _lies_together(tensor):
        return flat.reshape(tensor.shape)
    import numpy as np

    steps = [stride * flat.itemsize for stride in tensor.strides]
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(flat, tensor.shape, steps, writeable=False))


def _is_turned(tensor: TensorRef) -> bool:
    """Whether it is a matrix that lies column by column."""
    return tuple(tensor.strides) == (1, *tensor.shape[:1])


def _lies_together(tensor: TensorRef) -> bool:
    expected = 1
    for length, stride in zip(reversed(tensor.shape), reversed(tensor.strides)):
        if length != 1 and stride != expected:
            return 0 in tensor.shape
        expected *= length
    return True
