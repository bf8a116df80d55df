"""A Megatron tree with a LoRA adapter in it: reads like a tree whose weights are merged already."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING, Any, List, Optional, Set

from backend.node.weights.arrays import STORAGE, Array
from backend.node.weights.lora import DOWN, UP, base_name, merged, module_of
from backend.node.weights.lora_check import check_rank_file, check_same_cut
from backend.node.weights.lora_settings import LORA, LoraSettings, agreed_settings, lora_settings
from backend.node.weights.megatron_tree import FIELD, MegatronTree
from backend.node.weights.rectangles import copy_rectangle, row_width
from backend.node.weights.tensor_source import TensorInfo, TensorSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LORA", "LoraSettings", "MergedRank", "MergedTree", "lora_settings", "open_tree"]

_PIECE_BYTES = 4 << 20


def open_tree(root: str, lora: Optional[LoraSettings] = None, field: str = FIELD) -> MegatronTree:
    """The tree in `root`, with the adapter in it where one is given. Raises JobError."""
    return MegatronTree(root, field) if lora is None else MergedTree(root, lora, field)


class MergedTree(MegatronTree):
    """`scale`: alpha / rank. `adapter`: the adapter's own tree; `settings`: all of them known.

    Opening compares names, shapes and settings, and reads no tensor. Raises JobError when the adapter was not
    trained on this model and layout, or is not the one that was described.
    """

    def __init__(self, root: str, lora: LoraSettings, field: str = FIELD) -> None:
        # None while the base opens, which asks for its own tensors.
        self._merging: Optional[MegatronTree] = None
        super().__init__(root, field)
        self.adapter = MegatronTree(lora.directory, LORA)
        check_same_cut(self, self.adapter)
        self.settings = agreed_settings(lora, self.adapter)
        self.scale = float(self.settings.alpha or 0) / float(self.settings.rank or 1)
        self.foreign: Set[str] = set()
        for rank in self.folder.ranks:
            own = set(self.adapter.names(*rank))
            path = self.adapter.folder.ranks[rank]
            check_rank_file(super().rank(*rank), self.adapter.rank(*rank), own, path, self.settings.rank or 0)
        self._merging = self.adapter

    @property
    def files(self) -> List[str]:
        return super().files + self.adapter.files

    def rank(self, tp_rank: int, pp_rank: int) -> TensorSource:
        base = super().rank(tp_rank, pp_rank)
        if self._merging is None:
            return base
        return MergedRank(base, self._merging.rank(tp_rank, pp_rank), self.scale, self.foreign)

    def notes(self) -> List[str]:
        """Sentences about what was seen while tensors were read."""
        if not self.foreign:
            return []
        text = _(
            "{count} tensors in the adapter's files differ from the weights, the first is {name}: it was "
            "trained on other weights, and those in its files were used"
        )
        return [text.format(count=len(self.foreign), name=min(self.foreign))]


class MergedRank:
    """A TensorSource: the tensors of `base`, those that the adapter changes merged when they are asked for.

    A tensor that both files hold (embedding, head; the whole model in an mcore adapter) is the adapter's, as
    in the reference converter; where the two differ its name goes into `foreign`."""

    def __init__(self, base: TensorSource, adapter: TensorSource, scale: float, foreign: Set[str]) -> None:
        self._base = base
        self._adapter = adapter
        self._scale = scale
        self._foreign = foreign
        self._own = set(adapter.names())
        self.files = base.files + adapter.files

    def names(self) -> List[str]:
        return self._base.names()

    def info(self, name: str) -> TensorInfo:
        """The shape that the base has; the dtype of the file whose tensor is taken."""
        found = self._base.info(name)
        own = self._own_name(name)
        return found._replace(dtype=self._adapter.info(own).dtype) if own in self._own else found

    def get(self, name: str) -> Array:
        import numpy as np

        info = self.info(name)
        out = np.empty(info.shape, STORAGE[info.dtype])
        if out.size:
            self.read(name, 0, 0, out.reshape(out.shape[0] if out.shape else 1, -1))
        return Array(out, info.dtype)

    def read(self, name: str, row: int, column: int, out: NDArray[Any]) -> None:
        """Merged a few rows at a time: each is what it is in the whole."""
        if not self._is_changed(name):
            self._read_weight(name, row, column, out)
            return
        down = self._adapter.get(module_of(name) + DOWN)
        step = max(1, _PIECE_BYTES // max(1, row_width(self.info(name).shape) * out.itemsize))
        for at in range(0, len(out), step):
            wanted = out[at : at + step]
            made = self._merged_rows(name, down, row + at, len(wanted))
            copy_rectangle(made.data, 0, column, wanted)

    def _merged_rows(self, name: str, down: Array, row: int, count: int) -> Array:
        import numpy as np

        info, up_name = self.info(name), module_of(name) + UP
        up = self._adapter.info(up_name)
        held = np.empty((count, row_width(info.shape)), STORAGE[info.dtype])
        self._read_weight(name, row, 0, held)
        rows = np.empty((count, row_width(up.shape)), STORAGE[up.dtype])
        self._adapter.read(up_name, row, 0, rows)
        return merged(Array(held, info.dtype), down, Array(rows, up.dtype), self._scale)

    def _read_weight(self, name: str, row: int, column: int, out: NDArray[Any]) -> None:
        """The values before the merge."""
        import numpy as np

        own = self._own_name(name)
        if own not in self._own:
            self._base.read(name, row, column, out)
            return
        self._adapter.read(own, row, column, out)
        base = self._base.info(name)
        if base.dtype != self._adapter.info(own).dtype:
            self._foreign.add(name)
        if name in self._foreign:
            return
        step = max(1, _PIECE_BYTES // max(1, out.shape[1] * out.itemsize))
        for at in range(0, len(out), step):
            wanted = out[at : at + step]
            held = np.empty(wanted.shape, out.dtype)
            self._base.read(name, row + at, column, held)
            if not _same_bits(held, wanted):
                self._foreign.add(name)
                return

    def _is_changed(self, name: str) -> bool:
        module = module_of(name)
        return bool(module) and module + DOWN in self._own

    def _own_name(self, name: str) -> str:
        """What a tensor of the base is called in the adapter's file, where that has it too."""
        return base_name(name) if self._is_changed(name) else name


def _same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    import numpy as np

    bits = f"<u{one.dtype.itemsize}"
    one, other = np.ascontiguousarray(one), np.ascontiguousarray(other)
    return bool(np.array_equal(one.view(bits), other.view(bits)))
