"""A Megatron tree with a LoRA adapter in it: reads like a tree whose weights are merged already."""

from __future__ import annotations

from gettext import gettext as _
from typing import List, Optional, Set, Tuple

from backend.node.weights.arrays import Array
from backend.node.weights.lora import DOWN, UP, base_name, merged, module_of
from backend.node.weights.lora_check import check_rank_file, check_same_cut
from backend.node.weights.lora_settings import LORA, LoraSettings, agreed_settings, lora_settings
from backend.node.weights.megatron_tree import FIELD, MegatronTree
from backend.node.weights.tensor_source import TensorInfo, TensorSource

__all__ = ["LORA", "LoraSettings", "MergedRank", "MergedTree", "lora_settings", "open_tree"]


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
        # Of several tensors of a model that are cut from one, only the first asks for a merge.
        self._last: Optional[Tuple[str, Array]] = None
        self.files = base.files + adapter.files

    def names(self) -> List[str]:
        return self._base.names()

    def info(self, name: str) -> TensorInfo:
        return self._base.info(name)

    def get(self, name: str) -> Array:
        module = module_of(name)
        if not module or module + DOWN not in self._own:
            return self._weight(name, name)
        last = self._last
        if last is not None and last[0] == name:
            return last[1]
        base = self._weight(name, base_name(name))
        down, up = self._adapter.get(module + DOWN), self._adapter.get(module + UP)
        found = merged(base, down, up, self._scale)
        self._last = (name, found)
        return found

    def _weight(self, name: str, own: str) -> Array:
        base = self._base.get(name)
        if own not in self._own:
            return base
        found = self._adapter.get(own)
        if found.dtype != base.dtype or not _same_bits(found, base):
            self._foreign.add(name)
        return found

    def release(self, name: str) -> None:
        last = self._last
        if last is not None and last[0] == name:
            self._last = None
        self._base.release(name)
        module = module_of(name)
        for own in (name, base_name(name), module + DOWN, module + UP) if module else (name,):
            if own in self._own:
                self._adapter.release(own)


def _same_bits(one: Array, other: Array) -> bool:
    import numpy as np

    bits = f"<u{one.data.dtype.itemsize}"
    return bool(np.array_equal(one.data.view(bits), other.data.view(bits)))
